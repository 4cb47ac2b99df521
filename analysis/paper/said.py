"""Numbers that the paper's text gives on its figures."""

PAPER_RATIO = 20
"""Submatrices needed at m = 200 over those at m = 2000, approximately (Sec. 6.2, Figure 4)."""

PAPER_LIMIT = (24, 2e9, 63)
"""b, submatrices, and per cent of batches at m = 200 that need no more (Sec. 6.2, Figure 4)."""

P_FALSE_REJECT = 1e-5
"""p_fr of Lemma 5.3 in Figure 8."""
