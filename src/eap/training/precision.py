"""Mixed precision and compilation of networks, around their methods: losses see float32 and no network changes.

ANT and the judges are called through several methods (`render`, `features`, ...), so each public method is wrapped, not
`forward` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import wraps
from inspect import isfunction
from typing import Any

import torch
from torch import Tensor, nn

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def prepare(modules: Iterable[nn.Module], precision: str, backend: str, device: str) -> None:
    """Change how modules compute, in place; their weights stay float32 and keep their names.

    Parameters
    ----------
    precision
        "fp32": as they are. "bf16", "fp16": convolutions and matrix products in that type (autocast), results in
        float32, so that moments, logarithms and means over pixels are taken in float32.
    backend
        "off", or torch.compile's backend.
    """
    for module in modules:
        for name in public_methods(type(module)):
            method = getattr(module, name)
            if backend != "off":
                method = torch.compile(method, backend=backend)
            if precision != "fp32":
                method = _autocast(method, DTYPES[precision], device)
            if method != getattr(module, name):
                setattr(module, name, method)


def public_methods(kind: type[nn.Module]) -> list[str]:
    """Names of the methods that a network's own classes define, `nn.Module`'s left out."""
    own = [base for base in kind.__mro__ if issubclass(base, nn.Module) and base is not nn.Module]
    names = {name for base in own for name, value in vars(base).items() if isfunction(value)}
    return sorted(name for name in names if not name.startswith("_"))


def _autocast(method: Callable[..., Any], dtype: torch.dtype, device: str) -> Callable[..., Any]:
    @wraps(method)
    def cast(*args: Any, **kwargs: Any) -> Any:
        with torch.autocast(device, dtype):
            return to_float(method(*args, **kwargs))

    return cast


def to_float(value: Any) -> Any:
    """Low-precision tensors as float32, also inside lists, tuples, mappings and dataclasses; the rest as it is."""
    if isinstance(value, Tensor):
        return value.float() if value.dtype in DTYPES.values() else value
    if isinstance(value, Mapping):
        return {key: to_float(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(to_float(part) for part in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: to_float(getattr(value, field.name)) for field in fields(value)})
    return value
