"""Networks that clients train, and safe loading of their weights."""

from spear.networks.checkpoints import load_checkpoint, read_state_dict
from spear.networks.dlg_lenet import lenet
from spear.networks.fitting import check_takes
from spear.networks.fully_connected import fcnn, fcnn_batch_norm
from spear.networks.language_models import bert, gpt2, llama, opt
from spear.networks.narrow_vgg import vgg11
from spear.networks.one_hidden_layer import one_hidden_layer
from spear.networks.pretrained_language import pretrained
from spear.networks.trained_vision import trained_vit
from spear.networks.training import trained_fcnn, trained_lenet
from spear.networks.vgg import vgg16
from spear.networks.vision_transformer import vit

__all__ = [
    "bert",
    "check_takes",
    "fcnn",
    "fcnn_batch_norm",
    "gpt2",
    "lenet",
    "llama",
    "load_checkpoint",
    "one_hidden_layer",
    "opt",
    "pretrained",
    "read_state_dict",
    "trained_fcnn",
    "trained_lenet",
    "trained_vit",
    "vgg11",
    "vgg16",
    "vit",
]
