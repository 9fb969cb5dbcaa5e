"""One ONNX model in memory: checked against its manifest, warmed up, ready to answer rows."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from service.policy.manifest import Manifest, ManifestError, load_manifest

Provider = Literal["cpu", "cuda"]
PROVIDERS: Final = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}

WARM_UP_CALLS: Final = 200
WARM_UP_LEAST: Final = 5
WARM_UP_NS: Final = 1_000_000_000
"""A slow model is warmed up for this long, and at least ``WARM_UP_LEAST`` times."""

WARM_UP_ROWS: Final = 8
INLINE_CEILING: Final = 1_000_000
"""A model runs on the event loop only if it takes less than this, ns."""

INLINE_SHARE: Final = 4
"""... and less than one part in this many of its budget."""

BUFFERS: Final = 64
"""Batch sizes whose buffers are kept."""

Rows = tuple[tuple[float, ...], ...]
Floats = npt.NDArray[np.float64]

LOOK_EVERY: Final = 16
"""Of so many calls one is looked at for drift of its inputs: a sample is enough."""
LOOK_WEIGHT: Final = 0.05
"""Of the newest look in the average."""


class ModelError(ValueError):
    """A model cannot be served; the message says which file, why, and what to do."""


class ModelFailure(Exception):
    """A call gave nothing usable.

    Attributes:
        reason: ``error``, ``not_finite`` or ``out_of_range``, as ``ModelAnswer.missed`` says it.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class _Buffers(NamedTuple):
    """Memory of one batch size, bound to the session once."""

    raw: Floats
    scaled: npt.NDArray[np.float32]
    out: npt.NDArray[np.float32]
    binding: Any


class Model:
    """A model that answers rows. One caller at a time: its buffers are its own.

    Attributes:
        manifest: What its folder says.
        label: ``NAME@SHA8``, on every order that it decided.
        provider: Execution provider in use.
        typical: Median ns of a call with ``WARM_UP_ROWS`` rows, measured at warm-up; 0 before it.
        worst: 95th percentile of the same.
    """

    def __init__(self, manifest: Manifest, data: bytes, where: str, provider: Provider = "cpu") -> None:
        """Make a session of ``data``.

        Raises:
            ModelError: If the hash, the input or the output is not what the manifest says, if onnxruntime
                refuses it, or if the provider is not to be had.
        """
        digest = hashlib.sha256(data).hexdigest()
        if digest != manifest.sha256:
            raise ModelError(
                f"{where}: sha256 is {digest}, the manifest says {manifest.sha256}; "
                "restore the file, or train again so that the manifest is written with it"
            )
        self.manifest = manifest
        self.label = f"{manifest.name}@{digest[:8]}"
        self.provider = PROVIDERS[provider]
        self.typical = self.worst = 0
        self._where = where
        self._session = _session(data, where, self.provider)
        self._input = self._check_input()
        self._flat = self._check_output()
        self._low = np.array([i.low for i in manifest.inputs])
        self._high = np.array([i.high for i in manifest.inputs])
        self._centre = np.array([i.centre for i in manifest.inputs])
        self._scale = np.array([i.scale for i in manifest.inputs])
        self._width = len(manifest.inputs)
        self._weights = manifest.output.score
        self._least, self._most = manifest.output.low, manifest.output.high
        self._buffers: dict[int, _Buffers] = {}
        self._outside = np.zeros(self._width)
        self._calls = 0
        self._looked = False

    @property
    def inline(self) -> bool:
        """Fast enough to run on the event loop, by its warm-up."""
        limit = min(INLINE_CEILING, self.manifest.budget_us * 1_000 // INLINE_SHARE)
        return 0 < self.worst < limit

    def run(self, rows: Sequence[tuple[float, ...]]) -> Rows:
        """Answer rows of raw inputs, in the manifest's order.

        Returns:
            Per row ``(score, column, column, ...)``.

        Raises:
            ModelFailure: If onnxruntime fails, or any number is not finite or out of the manifest's range.
        """
        try:
            columns = self._call(rows)
        except Exception as error:
            raise ModelFailure("error", f"{self.label}: {error}") from error
        least, most, weights = self._least, self._most, self._weights
        answers = []
        for row in columns:
            score = 0.0
            for value, weight in zip(row, weights, strict=True):
                if not least <= value <= most:
                    finite = value - value == 0.0
                    raise ModelFailure(
                        "out_of_range" if finite else "not_finite",
                        f"{self.label}: {value} is not in {least} .. {most}",
                    )
                score += value * weight
            answers.append((score, *row))
        return tuple(answers)

    def warm_up(self) -> None:
        """Run it until it is warm, and measure it.

        Raises:
            ModelError: If it fails on the centre of its inputs, or its output has another shape.
        """
        row = tuple(min(max(i.centre, i.low), i.high) for i in self.manifest.inputs)
        took: list[int] = []
        began = time.perf_counter_ns()
        for rows in ((row,), (row,) * WARM_UP_ROWS):
            try:
                self._call(rows)
            except Exception as error:
                raise ModelError(
                    f"{self._where}: fails on {len(rows)} row(s) of the manifest's centres: {error}"
                ) from error
        rows = (row,) * WARM_UP_ROWS
        while len(took) < WARM_UP_CALLS:
            start = time.perf_counter_ns()
            self._call(rows)
            end = time.perf_counter_ns()
            took.append(end - start)
            if end - began > WARM_UP_NS and len(took) >= WARM_UP_LEAST:
                break
        took.sort()
        self.typical = took[len(took) // 2]
        self.worst = took[len(took) * 95 // 100]

    def _call(self, rows: Sequence[tuple[float, ...]]) -> list[list[float]]:
        """Raw rows to raw columns. With bound memory a call costs about 2 us less than ``session.run``."""
        for row in rows:
            if len(row) != self._width:
                raise ValueError(f"a row of {len(row)} values where {self._width} inputs are listed")
        count = len(rows)
        buffers = self._buffers.get(count)
        if buffers is None:
            buffers = self._bind(count)
        raw, scaled, out, binding = buffers
        raw[:] = rows
        self._calls += 1
        if not self._calls % LOOK_EVERY:
            self._look(raw)
        np.maximum(raw, self._low, out=raw)
        np.minimum(raw, self._high, out=raw)
        np.subtract(raw, self._centre, out=raw)
        np.divide(raw, self._scale, out=scaled, casting="same_kind")
        self._session.run_with_iobinding(binding)
        if self._flat:
            return [[value] for value in out.tolist()]
        columns: list[list[float]] = out.tolist()
        return columns

    def _look(self, raw: npt.NDArray[np.float64]) -> None:
        share = ((raw < self._low) | (raw > self._high)).mean(axis=0)
        self._outside += LOOK_WEIGHT * (share - self._outside)
        self._looked = True

    def drift(self) -> dict[str, float] | None:
        """By input, the share of late rows in which it was outside of what the model was trained on.

        Returns:
            ``None`` if nothing was looked at since this was asked last.
        """
        if not self._looked:
            return None
        self._looked = False
        return dict(zip(self.manifest.names, self._outside.tolist(), strict=True))

    def _bind(self, count: int) -> _Buffers:
        if len(self._buffers) >= BUFFERS:
            self._buffers.clear()
        columns = len(self.manifest.output.columns)
        scaled = np.zeros((count, self._width), np.float32)
        out = np.zeros((count,) if self._flat else (count, columns), np.float32)
        binding = self._session.io_binding()
        # Host memory on both sides: onnxruntime copies to and from a device where there is one.
        binding.bind_input(self._input, "cpu", 0, np.float32, scaled.shape, scaled.ctypes.data)
        binding.bind_output(self.manifest.output.name, "cpu", 0, np.float32, out.shape, out.ctypes.data)
        made = self._buffers[count] = _Buffers(np.zeros((count, self._width)), scaled, out, binding)
        return made

    def _check_input(self) -> str:
        inputs = self._session.get_inputs()
        want = f"one input of float32 with shape (rows, {len(self.manifest.inputs)})"
        if len(inputs) != 1:
            raise ModelError(f"{self._where}: has inputs {[i.name for i in inputs]}; it must have {want}")
        (only,) = inputs
        shape = tuple(only.shape)
        if only.type != "tensor(float)" or len(shape) != 2 or isinstance(shape[0], int):
            raise ModelError(
                f"{self._where}: input {only.name} is {only.type} of shape {shape}; it must be {want}, "
                "the number of rows left open"
            )
        if isinstance(shape[1], int) and shape[1] != len(self.manifest.inputs):
            raise ModelError(
                f"{self._where}: input {only.name} takes {shape[1]} columns, the manifest lists "
                f"{len(self.manifest.inputs)} inputs; they must be the same features in the same order"
            )
        return str(only.name)

    def _check_output(self) -> bool:
        """Whether the output is one number a row, without a second dimension."""
        wanted = self.manifest.output
        outputs = {o.name: o for o in self._session.get_outputs()}
        found = outputs.get(wanted.name)
        if found is None:
            raise ModelError(f"{self._where}: no output {wanted.name!r}; it has {', '.join(outputs)}")
        shape = tuple(found.shape)
        if found.type != "tensor(float)" or len(shape) not in (1, 2):
            raise ModelError(
                f"{self._where}: output {found.name} is {found.type} of shape {shape}; it must be float32 "
                f"of shape (rows, {len(wanted.columns)}) (export a scikit-learn classifier with zipmap=False)"
            )
        columns = shape[1] if len(shape) == 2 else 1
        if isinstance(columns, int) and columns != len(wanted.columns):
            raise ModelError(
                f"{self._where}: output {found.name} has {columns} columns, "
                f"the manifest names {len(wanted.columns)}"
            )
        return len(shape) == 1


def load_model(folder: Path, provider: Provider = "cpu") -> Model:
    """The model of a folder, checked and warmed up.

    Raises:
        ModelError: If it does not match its manifest, or cannot run.
    """
    try:
        manifest = load_manifest(folder)
    except ManifestError as error:
        raise ModelError(str(error)) from error
    path = folder / manifest.file
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"model file {path}: {error.strerror}") from error
    model = Model(manifest, data, str(path), provider)
    model.warm_up()
    return model


def _session(data: bytes, where: str, provider: str) -> Any:
    if provider not in ort.get_available_providers():
        raise ModelError(
            f"{where}: this onnxruntime has no {provider}, only {', '.join(ort.get_available_providers())}; "
            "install the gpu extra in place of the cpu one, or ask for cpu"
        )
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    if provider != PROVIDERS["cpu"]:
        # Without this a GPU build falls back to the CPU without a word.
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        session = ort.InferenceSession(data, options, providers=[provider])
    except Exception as error:
        hint = ""
        if provider != PROVIDERS["cpu"]:
            hint = "; are a GPU, its driver, CUDA and cuDNN here? --provider cpu needs none of them"
        raise ModelError(f"{where}: onnxruntime {ort.__version__} refuses it: {error}{hint}") from error
    if session.get_providers()[0] != provider:
        raise ModelError(f"{where}: runs on {session.get_providers()[0]} in place of {provider}")
    return session
