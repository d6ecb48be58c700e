"""The 40 tasks of Czyż et al. (2023) and the mixtures of Czyż et al. (2025) under their published names.

A name reads as the task is made, the last transform first: ``spiral-normal_cdf-multinormal-sparse-5-5-2-2.0`` is
``spiral[base=normal-cdf[base=multinormal-sparse[dim_x=5,dim_y=5]]]``. The numbers are those of the papers: dimensions,
then correlation, noise, degrees of freedom, or number and strength of the dependent pairs (strength s means a
correlation of s^2 / (1 + s^2)). Their samples are not standardised here: that is for an estimator to do, visibly.
"""

from __future__ import annotations

from mibench.registry import register_task
from mibench.task import Task

from .additive import AdditiveUniform
from .gaussian import Gauss, MultinormalDense, MultinormalSparse
from .maps import Spiral, SwissRoll
from .mixtures import AIShape, ConcentricGaussians, Galaxy, SparseWithInliers, Waves, XShape
from .student import StudentT
from .transforms import Asinh, Bimodal, HalfCube, NormalCdf, Wiggly


def _publish(name: str, task: Task) -> None:
    @register_task(name)
    def published() -> Task:
        return task


_bivariate = Gauss(rho=0.75)
_publish("1v1-normal-0.75", _bivariate)
_publish("normal_cdf-1v1-normal-0.75", NormalCdf(_bivariate))
_publish("1v1-additive-0.1", AdditiveUniform(eps=0.1))
_publish("1v1-additive-0.75", AdditiveUniform(eps=0.75))
_publish("1v1-bimodal-0.75", Bimodal(_bivariate))
_publish("wiggly-1v1-normal-0.75", Wiggly(_bivariate))
_publish("half_cube-1v1-normal-0.75", HalfCube(_bivariate))
_publish("swissroll_x-normal_cdf-1v1-normal-0.75", SwissRoll(NormalCdf(_bivariate)))

for _n in (2, 3, 5, 25, 50):
    _publish(f"multinormal-dense-{_n}-{_n}-0.5", MultinormalDense(dim_x=_n, dim_y=_n))
for _n in (2, 3, 5, 25):
    _name, _sparse = f"multinormal-sparse-{_n}-{_n}-2-2.0", MultinormalSparse(dim_x=_n, dim_y=_n)
    _publish(_name, _sparse)
    if _n >= 3:  # the spiral needs a third coordinate of Y
        _publish(f"normal_cdf-{_name}", NormalCdf(_sparse))
        _publish(f"half_cube-{_name}", HalfCube(_sparse))
        _publish(f"spiral-{_name}", Spiral(_sparse))
        _publish(f"spiral-normal_cdf-{_name}", Spiral(NormalCdf(_sparse)))
for _n, _dof in ((1, 1), (2, 1), (2, 2), (3, 2), (3, 3), (5, 2), (5, 3)):
    _publish(f"student-identity-{_n}-{_n}-{_dof}", StudentT(_n, _n, _dof))
for _n, _dof in ((1, 1), (2, 1), (3, 2), (5, 2)):
    _publish(f"asinh-student-identity-{_n}-{_n}-{_dof}", Asinh(StudentT(_n, _n, _dof)))

_publish("1v1-X-0.9", XShape(0.9))
_publish("1v1-AI", AIShape())
_publish("2v1-galaxy-0.5-3.0", Galaxy(0.5, 3.0))
_publish("2v1-waves-12-5.0-3.0", Waves(12, 5.0, 3.0))
for _n, _count in ((3, 5), (3, 10), (5, 5), (5, 10), (25, 5)):
    _publish(f"{_n}v1-concentric_gaussians-{_count}", ConcentricGaussians(_n, _count))
for _n in (5, 25):
    for _fraction in (0.2, 0.5):
        _publish(f"mult-sparse-w-inliers-{_n}-{_n}-2-2.0-{_fraction}", SparseWithInliers(_n, _n, _fraction))
