"""The sources that several tasks have in common."""

BUTAKOV = "Butakov et al. (2024), Information bottleneck analysis of deep neural networks via lossy compression"
COVER_THOMAS = "Cover & Thomas (2006), Elements of Information Theory"
CZYZ_2023 = "Czyż et al. (2023), Beyond Normal: On the evaluation of mutual information estimators"
CZYZ_2025 = "Czyż et al. (2025), On the properties and estimation of pointwise mutual information profiles, TMLR"
GAO = "Gao, Kannan, Oh & Viswanath (2017), Estimating mutual information for discrete-continuous mixtures"
LEE_RHEE = (
    "Lee & Rhee (2024), A benchmark suite for evaluating neural mutual information estimators on unstructured datasets"
)
SONG_ERMON = "Song & Ermon (2020), Understanding the limitations of variational mutual information estimators"
STAIRCASE = f"Poole et al. (2019), On variational bounds of mutual information; {SONG_ERMON}"
