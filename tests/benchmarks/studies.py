"""What beside.py compares: which estimator of mibench beside which of another package, on which tasks.

Both sides run at their own defaults, but for what is said at PROGRAMS in isolated.py: k = 3 for nearest neighbours, and
four fifths of the samples to train on for packages that want others to evaluate on.
"""

from __future__ import annotations

from dataclasses import dataclass

from mibench.engine.grid import load_grid

COLUMNS = (
    "1v1-normal-0.75",
    "1v1-additive-0.1",
    "1v1-additive-0.75",
    "1v1-bimodal-0.75",
    "wiggly-1v1-normal-0.75",
    "student-identity-1-1-1",
    "asinh-student-identity-1-1-1",
    "1v1-X-0.9",
)
VECTORS = (
    "2v1-galaxy-0.5-3.0",
    "multinormal-dense-5-5-0.5",
    "multinormal-sparse-3-3-2-2.0",
    "spiral-multinormal-sparse-3-3-2-2.0",
    "student-identity-3-3-2",
    "asinh-student-identity-5-5-2",
    "multinormal-sparse-25-25-2-2.0",
)
TIED = (
    "rounded-pair[rho=0.8,step=0.1]",
    "rounded-pair[rho=0.8,step=1.0]",
    "height-and-age",
    "poisson-pair[mean=3.0,shared=0.6]",
    "poisson-pair[mean=100.0,shared=0.6]",
    "zero-inflated-poisson[inflation=0.15]",
    "atoms-and-gauss[atoms=0.5]",
    "detection-limit[rho=0.8,limit=-0.5]",
)
LABELLED = ("discrete-uniform[letters=2]", "discrete-uniform[letters=5]", "discrete-uniform[letters=20]")
LETTERS = (
    "symmetric-channel[letters=2,crossover=0.1]",
    "symmetric-channel[letters=4,crossover=0.1]",
    "symmetric-channel[letters=16,crossover=0.3]",
    "erasure-channel[letters=16,erasure=0.3]",
    "poisson-pair[mean=3.0,shared=0.6]",
    "rounded-pair[rho=0.8,step=1.0]",
)
TRAINED = (
    "1v1-additive-0.75",
    "multinormal-dense-5-5-0.5",
    "spiral-multinormal-sparse-3-3-2-2.0",
    "student-identity-3-3-2",
)


@dataclass(frozen=True)
class Pair:
    """An estimator of mibench, by its selector, and a method of a package, by the name that isolated.py knows.

    tasks : those that both take; those of the study where there are none.
    """

    ours: str
    package: str
    method: str
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Study:
    """Pairs that share samples and a page."""

    title: str
    pairs: tuple[Pair, ...]
    tasks: tuple[str, ...]
    n: tuple[int, ...]
    seeds: int

    def tasks_of(self, pair: Pair) -> tuple[str, ...]:
        return pair.tasks or self.tasks


BENCHMARK_MI = ("mine-ema", "nwj", "infonce", "mine-biased", "ksg", "cca")
MIST = {"mine-ema": "mine", "nwj": "nwj", "infonce": "infonce", "doe": "doe"}
INFOMEASURE = {
    "plug-in": "discrete",
    "miller-madow": "miller_madow",
    "grassberger": "grassberger",
    "chao-shen": "chao_shen",
    "james-stein": "shrink",
    "nsb": "nsb",
}
KSG = ("npeet-plus", "infomeasure", "unite-toolbox", "entropy-estimators")

STUDIES = {
    "benchmark-mi": Study(
        "The 40 tasks of benchmark-mi: its estimators, mibench's of the same name, and the two best of mibench",
        tuple(
            Pair(ours, "benchmark-mi", theirs)
            for theirs in BENCHMARK_MI
            for ours in (theirs, "copula-ksg", "copula-ksg-critic")
        ),
        load_grid("beyond_normal").blocks()[0].tasks,
        (10_000,),
        3,
    ),
    "neighbours": Study(
        "Nearest neighbours",
        (
            *(Pair("ksg", package, "ksg") for package in KSG),
            *(Pair("ksg", package, "ksg", COLUMNS) for package in ("ennemi", "scikit-learn")),
            Pair("copula-ksg", "npeet-plus", "ksg"),
            Pair("copula-ksg", "copent", "copent"),
        ),
        COLUMNS + VECTORS,
        (2_000,),
        3,
    ),
    "mixed": Study(
        "Values that tie: rounded, counted, cut off; and labels beside numbers",
        (
            *(Pair("mixed-ksg", package, "ksg", TIED) for package in ("npeet-plus", "scikit-learn")),
            *(Pair("ksg", package, "ksg", TIED) for package in ("npeet-plus", "scikit-learn")),
            Pair("mixed-ksg", "npeet-plus", "micd", LABELLED),
            Pair("mixed-ksg", "scikit-learn", "classif", LABELLED),
        ),
        TIED + LABELLED,
        (500, 2_000),
        3,
    ),
    "letters": Study(
        "Letters, counted",
        tuple(Pair(ours, "infomeasure", theirs) for ours, theirs in INFOMEASURE.items()),
        LETTERS,
        (100, 1_000),
        10,
    ),
    "gmm-mi": Study("Gaussian mixtures, one column a side", (Pair("gmm", "gmm-mi", "gmm-mi"),), COLUMNS, (500,), 1),
    "torch-mist": Study(
        "Critics and densities of torch-mist",
        tuple(Pair(ours, "torch-mist", theirs) for ours, theirs in MIST.items()),
        TRAINED,
        (2_000,),
        1,
    ),
    "vines": Study(
        "Vine copulas",
        (
            Pair("vine", "pyvinecopulib", "default", COLUMNS + VECTORS[:-1]),  # not the 1,825 pairs of 25 + 25 columns
            Pair("vine", "pyvinecopulib", "tll"),
            Pair("vine", "pyvinecopulib", "tll-held-out", COLUMNS + VECTORS[:-1]),
        ),
        COLUMNS + VECTORS,
        (2_000,),
        3,
    ),
    "diffusion": Study(
        "Diffusion",
        tuple(Pair(name, "diffusion-mi", name) for name in ("minde", "mmg")),
        TRAINED,
        (2_000,),
        1,
    ),
}
