"""The 40 tasks of Czyż et al. (NeurIPS 2023) under their published names.

A name reads as the task is made, the last transform first: ``spiral-normal_cdf-multinormal-sparse-5-5-2-2.0`` is
``spiral[base=normal-cdf[base=multinormal-sparse[dim_x=5,dim_y=5]]]``. The numbers are those of the paper: dimensions,
then correlation, noise, degrees of freedom, or number and strength of the dependent pairs (strength s means a
correlation of s^2 / (1 + s^2)). Their samples are not standardised here: that is for an estimator to do, visibly.
"""

from __future__ import annotations

from collections.abc import Callable

from mibench.registry import register_task
from mibench.task import Task

from .additive import AdditiveUniform
from .gaussian import Gauss, MultinormalDense, MultinormalSparse
from .maps import Spiral, SwissRoll
from .student import student_identity
from .transforms import Asinh, Bimodal, HalfCube, NormalCdf, Wiggly


def _publish(name: str, build: Callable[[], Task]) -> None:
    @register_task(name)
    def published() -> Task:
        return build()


def _bivariate() -> Task:
    return Gauss(rho=0.75)


def _sparse(dim: int) -> Task:
    return MultinormalSparse(dim_x=dim, dim_y=dim)


def _student(dim_x: int, dim_y: int, dof: int) -> Task:
    return student_identity(dim_x, dim_y, float(dof))


def _dense(dim: int) -> None:
    _publish(f"multinormal-dense-{dim}-{dim}-0.5", lambda: MultinormalDense(dim_x=dim, dim_y=dim))


def _sparse_and_transformed(dim: int) -> None:
    name = f"multinormal-sparse-{dim}-{dim}-2-2.0"
    _publish(name, lambda: _sparse(dim))
    if dim < 3:  # the spiral needs a third coordinate of Y
        return
    _publish(f"normal_cdf-{name}", lambda: NormalCdf(_sparse(dim)))
    _publish(f"half_cube-{name}", lambda: HalfCube(_sparse(dim)))
    _publish(f"spiral-{name}", lambda: Spiral(_sparse(dim)))
    _publish(f"spiral-normal_cdf-{name}", lambda: Spiral(NormalCdf(_sparse(dim))))


def _student_identity(dim_x: int, dim_y: int, dof: int) -> None:
    _publish(f"student-identity-{dim_x}-{dim_y}-{dof}", lambda: _student(dim_x, dim_y, dof))


def _student_asinh(dim_x: int, dim_y: int, dof: int) -> None:
    _publish(f"asinh-student-identity-{dim_x}-{dim_y}-{dof}", lambda: Asinh(_student(dim_x, dim_y, dof)))


_publish("1v1-normal-0.75", _bivariate)
_publish("normal_cdf-1v1-normal-0.75", lambda: NormalCdf(_bivariate()))
_publish("1v1-additive-0.1", lambda: AdditiveUniform(eps=0.1))
_publish("1v1-additive-0.75", lambda: AdditiveUniform(eps=0.75))
_publish("1v1-bimodal-0.75", lambda: Bimodal(_bivariate()))
_publish("wiggly-1v1-normal-0.75", lambda: Wiggly(_bivariate()))
_publish("half_cube-1v1-normal-0.75", lambda: HalfCube(_bivariate()))
_publish("swissroll_x-normal_cdf-1v1-normal-0.75", lambda: SwissRoll(NormalCdf(_bivariate())))

for _dim in (2, 3, 5, 25, 50):
    _dense(_dim)
for _dim in (2, 3, 5, 25):
    _sparse_and_transformed(_dim)
for _sizes in ((1, 1, 1), (2, 2, 1), (2, 2, 2), (3, 3, 2), (3, 3, 3), (5, 5, 2), (5, 5, 3)):
    _student_identity(*_sizes)
for _sizes in ((1, 1, 1), (2, 2, 1), (3, 3, 2), (5, 5, 2)):
    _student_asinh(*_sizes)
