"""The sources that several tasks have in common."""

BUTAKOV = (
    "Butakov et al. (2024), Information bottleneck analysis of deep neural networks via lossy compression, "
    "arXiv:2305.08013"
)
COVER_THOMAS = "Cover & Thomas (2006), Elements of Information Theory"
CZYZ_2023 = "Czyż et al. (2023), Beyond Normal: On the evaluation of mutual information estimators, arXiv:2306.11078"
CZYZ_2025 = (
    "Czyż et al. (2025), On the properties and estimation of pointwise mutual information profiles, TMLR, "
    "arXiv:2310.10240"
)
GAO = (
    "Gao, Kannan, Oh & Viswanath (2017), Estimating mutual information for discrete-continuous mixtures, "
    "arXiv:1709.06212"
)
LEE_RHEE = (
    "Lee & Rhee (2024), A benchmark suite for evaluating neural mutual information estimators on unstructured datasets"
)
SONG_ERMON = (
    "Song & Ermon (2020), Understanding the limitations of variational mutual information estimators, arXiv:1910.06222"
)
STAIRCASE = f"Poole et al. (2019), On variational bounds of mutual information, arXiv:1905.06922; {SONG_ERMON}"
