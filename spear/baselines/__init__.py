"""Competing attacks and related systems, one room per paper; none of which has a proof
of a whole batch.

`gradient_matching` is the common ground, on which the others stand.

* `gradient_matching`: DLG (Zhu et al., NeurIPS 2019) and Geiping et al. (NeurIPS 2020);
* `tableak`: TabLeak (Vero et al., ICML 2023), for rows of a table;
* `ci_net`: CI-Net (Zhang et al., ICCV 2023), over the weights of an untrained generator;
* `gifd`: GIFD (Fang et al., ICCV 2023), over the latents and features of a trained generator;
* `cocktail_party`: the Cocktail Party Attack (Kariyappa et al., ICML 2023), by independent
  component analysis;
* `feature_inversion`: its second step, from a layer's inputs back to images;
* `lt_peeling`: peeling after LT codes (Shariati and Meybodi, 2026);
* `dictionary_learning`: complete dictionary learning (Zhai et al., 2020; Sun, Qu and Wright, 2017),
  which SPEAR++ builds on;
* `neuron_exclusivity`: inputs that have neurons to themselves (Pan et al., USENIX Security 2022);
* `april`: APRIL (Lu et al., CVPR 2022), for one image of a vision transformer;
* `label_recovery`: labels of single samples (Wang et al., ICLR 2024) and iDLG (Zhao et al., 2020).
"""
