"""What the private function is asked, what becomes of its answers, and what decides without it."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Any, Protocol

import attrs
import pytest
from mdm_core import Action, Build, ConfigError, Context, Features, Pipeline, Proposal, ProposalModel, StageError
from mdm_core.signals import Interrupted
from mdm_core.testing import Flat

from mdm_private import PrivateModel

BIRD = "kanarienvogel"
HEAD = "from mdm_core import Action, Proposal\n"
ACT = "    return Proposal(Action.ACT, 0.5, ['private'], {})\n"
FINE = f"{HEAD}def compute_proposal_private(features):\n{ACT}"


class Bench(Protocol):
    """See ``conftest``."""

    folder: Path

    def write(self, source: str | bytes, path: str = "_private/model.py") -> Path: ...

    def pipeline(self, source: str | bytes | None = None, **parameters: Any) -> Pipeline: ...


def hook(body: str, signature: str = "features") -> str:
    """Write a private model whose function has this body, in one line."""
    return f"{HEAD}def compute_proposal_private({signature}):\n    {body}\n"


def codes(pipeline: Pipeline, **event: Any) -> list[str]:
    """Decide, and give the reason codes."""
    mismatch = pipeline.decide(event).final.mismatch
    return [] if mismatch is None else mismatch.reason_codes


def refused(bench: Bench, source: str | bytes | None = None, **parameters: Any) -> str:
    """Fail to open a pipeline; give the whole of what a traceback would show."""
    with pytest.raises(ConfigError) as caught:
        bench.pipeline(source, **parameters)
    return "".join(traceback.format_exception(caught.value))


@attrs.define
class Draws(ProposalModel):
    """Acts in three of four cases."""

    def propose(self, features: Features, context: Context) -> Proposal:
        return Proposal(Action.ACT if context.random.random() < 0.75 else Action.HOLD, 0.5)

    def alternatives(self, features: Features, context: Context) -> list[tuple[float, Proposal]]:
        return [(0.75, Proposal(Action.ACT, 0.5)), (0.25, Proposal(Action.HOLD, 0.5))]


class TestAlternatives:
    @pytest.mark.parametrize(("source", "recorded"), [(None, {"ACT": 0.75, "HOLD": 0.25}), (FINE, None)])
    def test_of_the_model_that_decides(
        self, bench: Bench, source: str | None, recorded: dict[str, float] | None
    ) -> None:
        """What the fallback might have proposed is recorded if it decides; the function leaves nothing to chance."""
        if source is not None:
            bench.write(source)
        with Pipeline(features=Flat(), model=PrivateModel(fallback=Draws()), base_dir=bench.folder) as pipeline:
            assert recorded == pipeline.decide({"n": 1}).context.get("mdm.propensities")


class TestAsking:
    def test_the_function_decides(self, bench: Bench) -> None:
        """What the function answers is the proposal."""
        with bench.pipeline(FINE) as pipeline:
            decision = pipeline.decide({"n": 1})
        assert (Action.ACT, 0.5, ["private"]) == (
            decision.proposal.action,
            decision.proposal.confidence,
            decision.proposal.reasons,
        )
        assert decision.final.allowed

    def test_it_gets_the_features_and_the_parameters(self, bench: Bench) -> None:
        """Features come as a dict, the parameters by name."""
        source = hook(
            "return Proposal(Action.ACT, features['n'] / scale, list(rest['names']))", "features, scale, **rest"
        )
        with bench.pipeline(source, scale=4, names=["a", "b"]) as pipeline:
            proposal = pipeline.decide({"n": 1}).proposal
        assert (0.25, ["a", "b"]) == (proposal.confidence, proposal.reasons)

    def test_it_cannot_change_the_recorded_features(self, bench: Bench) -> None:
        """The function gets a copy."""
        source = hook("features.clear(); return Proposal(Action.ACT, 0.5)")
        with bench.pipeline(source) as pipeline:
            assert {"n": 1} == pipeline.decide({"n": 1}).packet().mdm["features"]

    def test_anything_callable_will_do(self, bench: Bench) -> None:
        """An object with ``__call__``, such as a trained model, is a function too."""
        source = f"{HEAD}class Model:\n  def __call__(self, features):\n{ACT}compute_proposal_private = Model()\n"
        with bench.pipeline(source) as pipeline:
            assert Action.ACT is pipeline.decide({"n": 1}).final.action

    def test_the_file_knows_where_it_stands(self, bench: Bench) -> None:
        """Data beside the file can be read by way of ``__file__``."""
        source = "from pathlib import Path\nweight = float(Path(__file__).with_name('weight.txt').read_text())\n"
        bench.write("0.125", "_private/weight.txt")
        with bench.pipeline(source + hook("return Proposal(Action.ACT, weight)")) as pipeline:
            assert 0.125 == pipeline.decide({"n": 1}).proposal.confidence

    def test_its_module_can_be_looked_up(self, bench: Bench) -> None:
        """What finds classes by their module works: dataclasses with annotations as text, and pickle."""
        source = (
            "from __future__ import annotations\nimport pickle\nfrom dataclasses import dataclass\n"
            "@dataclass\nclass Weights:\n    n: float = 0.5\n"
        ) + hook("return Proposal(Action.ACT, pickle.loads(pickle.dumps(Weights())).n)")
        with bench.pipeline(source) as pipeline:
            assert 0.5 == pipeline.decide({"n": 1}).proposal.confidence

    def test_two_private_models_do_not_meet(self, bench: Bench) -> None:
        """Two pipelines in one process have a module each, and a closed one is forgotten."""
        source = hook("return Proposal(Action.ACT, 0.5, [__name__])")
        with bench.pipeline(source) as one, bench.pipeline() as other:
            names = {p.decide({"n": 1}).proposal.reasons[0] for p in (one, other)}
            assert (2, names) == (len(names), names & set(sys.modules))
        assert set() == names & set(sys.modules)

    def test_nothing_is_written_beside_it(self, bench: Bench) -> None:
        """No byte code is left in its folder."""
        with bench.pipeline(FINE) as pipeline:
            pipeline.decide({"n": 1})
        assert ["model.py"] == [path.name for path in (bench.folder / "_private").rglob("*")]

    def test_its_representation_tells_nothing(self) -> None:
        """Neither path nor parameters are in the text of the component."""
        model = PrivateModel(Path(f"{BIRD}.py"), {BIRD: BIRD}, fallback=PrivateModel(fallback=None))  # type: ignore[arg-type]
        assert BIRD not in repr(model)


class TestFallback:
    def test_without_a_file_the_other_model_decides(self, bench: Bench) -> None:
        """The child proposes, and the component says so."""
        with bench.pipeline() as pipeline:
            assert ["second"] == pipeline.decide({"n": 1}).proposal.reasons
            assert "there is no private model, so Second decides" == pipeline.model.notice

    def test_with_a_file_there_is_nothing_to_say(self, bench: Bench) -> None:
        """Where the private model decides, the component is silent."""
        with bench.pipeline(FINE) as pipeline:
            assert "" == pipeline.model.notice

    def test_the_path_is_an_option(self, bench: Bench) -> None:
        """The file is looked for at the given path, relative to the pipeline's folder."""
        bench.write(FINE, "elsewhere/bird.py")
        model = PrivateModel(Path("elsewhere/bird.py"), fallback=bench.pipeline().model)
        model.open(Build(base_dir=bench.folder))
        assert ["private"] == model.propose({}, Context({}, None, "1", 0, 0)).reasons

    def test_a_link_that_leads_nowhere_is_no_absence(self, bench: Bench) -> None:
        """A model that was meant to be there is missed, whether its file or its folder is a link."""
        folder = bench.folder / "_private"
        folder.symlink_to(bench.folder / BIRD)
        assert BIRD not in (text := refused(bench))
        assert "private model cannot be read: No such file or directory" in text
        folder.unlink()
        folder.mkdir()
        (folder / "model.py").symlink_to(bench.folder / BIRD)
        assert "private model cannot be read: No such file or directory" in refused(bench)

    def test_a_folder_in_its_place_is_no_absence(self, bench: Bench) -> None:
        """What is there and cannot be read is told without its path."""
        (bench.folder / "_private" / "model.py").mkdir(parents=True)
        text = refused(bench)
        assert "private model cannot be read: Is a directory; correct the file or the option path" in text
        assert str(bench.folder) not in text


ERRORS = {
    "raise ValueError('{bird}')": "ValueError",
    "1 / 0": "ZeroDivisionError",
    "raise SystemExit('{bird}')": "SystemExit",
    "raise GeneratorExit('{bird}')": "GeneratorExit",
    "raise BaseException('{bird}')": "BaseException",
    "raise type('{bird}', (KeyError,), {})('{bird}')": "KeyError",
    "raise type('{bird}', (type('{bird}2', (OSError,), {}),), {})('{bird}')": "OSError",
    "raise type('{bird}', (KeyboardInterrupt,), {})('{bird}')": "KeyboardInterrupt",
    "raise type('{bird}', (ValueError,), {'__module__': 'builtins'})('{bird}')": "ValueError",
    "import json; json.loads('{bird}')": "JSONDecodeError",
    "import msgspec; msgspec.json.decode('{bird}')": "ValueError",
    "return {bird}()": "RecursionError",
    "features['{bird}']": "KeyError",
    "raise ExceptionGroup('{bird}', [ValueError('{bird}')])": "ExceptionGroup",
    "raise BaseExceptionGroup('{bird}', [KeyboardInterrupt('{bird}')])": "BaseExceptionGroup",
    "return None": "ContractError",
    "return '{bird}'": "ContractError",
    "return {'action': 'ACT', 'confidence': 1.0}": "ContractError",
    "return type('{bird}', (), {'__repr__': lambda self: '{bird}'})()": "ContractError",
    "return (x for x in '{bird}')": "ContractError",
    "return Proposal(Action.ACT, 1.5)": "ValueError",
    "return Proposal(Action.ACT, float('nan'))": "ValueError",
}


class TestFailing:
    @pytest.mark.parametrize(("body", "error"), ERRORS.items(), ids=range(len(ERRORS)))
    def test_it_fails_closed(self, bench: Bench, body: str, error: str, caplog: pytest.LogCaptureFixture) -> None:
        """Whatever goes wrong is HOLD, told by a well-known type alone, and the next event is decided."""
        body = "return Proposal(Action.ACT, 0.5) if features['n'] else {bird}()\ndef {bird}(features={}):\n    " + body
        with bench.pipeline(hook(body.replace("{bird}", BIRD))) as pipeline:
            failed, fine = pipeline.decide({"n": 0}), pipeline.decide({"n": 1})
        assert ([f"private_hook_error:{error}"], error) == (
            failed.final.mismatch and failed.final.mismatch.reason_codes,
            failed.failure and failed.failure.error,
        )
        assert (Action.HOLD, False) == (failed.final.action, failed.final.allowed)
        assert (Action.ACT, True) == (fine.final.action, fine.final.allowed)
        assert BIRD not in repr(failed) + repr(failed.packet()) + caplog.text

    def test_nothing_hangs_on_the_error(self, bench: Bench) -> None:
        """What core gets has no context, no cause and no frame of private code."""
        with bench.pipeline(hook(f"raise ValueError('{BIRD}')")) as pipeline, pytest.raises(StageError) as caught:
            pipeline.model.propose({}, Context({}, None, "1", 0, 0))
        error = caught.value
        assert (None, None) == (error.__context__, error.__cause__)
        text = "".join(traceback.format_exception(error))
        assert (False, False) == (BIRD in text, "<private>" in text)

    def test_ctrl_c_goes_through(self, bench: Bench) -> None:
        """An interrupt is left to core, without a trace of where it struck or what it interrupted."""
        body = f"try: raise ValueError('{BIRD}')\n    except ValueError: raise KeyboardInterrupt('{BIRD}')"
        with bench.pipeline(hook(body)) as pipeline, pytest.raises(KeyboardInterrupt) as caught:
            pipeline.model.propose({}, Context({}, None, "1", 0, 0))
        text = "".join(traceback.format_exception(caught.value))
        assert (False, False) == (BIRD in text, "<private>" in text)

    def test_what_core_breaks_off_goes_through(self, bench: Bench) -> None:
        """A signal of core's own is not taken for a failure of the private code, and shows nothing of it."""
        body = f"from mdm_core.signals import Interrupted as {BIRD}; raise {BIRD}"
        with bench.pipeline(hook(body)) as pipeline, pytest.raises(Interrupted) as caught:
            pipeline.model.propose({}, Context({}, None, "1", 0, 0))
        assert "<private>" not in "".join(traceback.format_exception(caught.value))

    def test_its_tracebacks_know_no_path_and_no_lines(self, bench: Bench) -> None:
        """Even where the private code itself shows a traceback, neither the file nor its text is in it."""
        body = f"import traceback\n    try: 1 / 0 # {BIRD}\n    except Exception: "
        source = hook(body + "return Proposal(Action.ACT, 0.5, [traceback.format_exc()])")
        with bench.pipeline(source) as pipeline:
            (text,) = pipeline.decide({}).proposal.reasons
        assert 'File "<private>", line 4, in compute_proposal_private\nZeroDivisionError' in text
        assert (False, False) == (BIRD in text, str(bench.folder) in text)

    def test_the_fallback_fails_in_its_own_name(self, bench: Bench) -> None:
        """Only what private code did is a private hook error."""

        class Broken(ProposalModel):
            def propose(self, features: Any, context: Any) -> Any:
                raise ValueError

        pipeline = bench.pipeline()
        pipeline.model.fallback = Broken()  # type: ignore[attr-defined]
        assert ["model_error:ValueError"] == codes(pipeline, n=1)


BROKEN = {
    "raise ValueError('{bird}')": "ValueError",
    "def {bird}(:": "SyntaxError",
    "import {bird}": "ModuleNotFoundError",
    "from mdm_core import {bird}": "ImportError",
    "from . import {bird}": "ImportError",
    "{bird}": "NameError",
    "raise SystemExit('{bird}')": "SystemExit",
    "class {bird}(LookupError): pass\nraise {bird}('{bird}')": "LookupError",
    "try:\n  raise ValueError('{bird}')\nexcept ValueError:\n  raise TypeError('{bird}')": "TypeError",
}

MISFITS: dict[str, dict[str, Any]] = {
    "features": {BIRD: 1},
    f"features, {BIRD}": {},
    "features, *, scale": {BIRD: 1},
    "": {},
    "features, **rest": {"features": BIRD},
    f"features, {BIRD}, /": {BIRD: 1},
}


class TestLoading:
    @pytest.mark.parametrize(("source", "error"), BROKEN.items(), ids=range(len(BROKEN)))
    def test_a_broken_file_is_told_by_its_type(self, bench: Bench, source: str, error: str) -> None:
        """The pipeline is refused, and no traceback has anything of the file in it."""
        text = refused(bench, source.format(bird=BIRD))
        assert f"PrivateModel: the private model cannot be loaded: {error}; load it in a Python of your own" in text
        assert [] == [word for word in (BIRD, str(bench.folder), "/_private/", "<private>") if word in text]

    def test_what_is_no_source_is_refused(self, bench: Bench) -> None:
        """Byte code and pickles are not loaded."""
        for content in (b"\x80\x04K\x01.", b"\xa7\r\r\n\x00\x00\x00\x00"):
            assert "the private model cannot be loaded: " in refused(bench, content)

    @pytest.mark.parametrize("source", ["", "compute_proposal_private = 'kanarienvogel'"])
    def test_the_function_is_missed(self, bench: Bench, source: str) -> None:
        """Without a function of that name the pipeline is refused, with what to write."""
        text = refused(bench, source)
        assert "has no function compute_proposal_private; define compute_proposal_private(features, **options)" in text
        assert BIRD not in text

    @pytest.mark.parametrize(("signature", "parameters"), MISFITS.items(), ids=range(len(MISFITS)))
    def test_parameters_that_do_not_fit_are_refused(
        self, bench: Bench, signature: str, parameters: dict[str, Any]
    ) -> None:
        """A call that could only fail is found when the pipeline is opened; no parameter is named."""
        text = refused(bench, hook("pass", signature), **parameters)
        assert "compute_proposal_private cannot be called with the options that are left over for it" in text
        assert (False, False) == (BIRD in text, "scale" in text)

    def test_what_is_refused_is_forgotten(self, bench: Bench) -> None:
        """A model that was not loaded leaves no module behind."""
        before = set(sys.modules)
        refused(bench, "raise ValueError")
        refused(bench, "")
        assert set() == {name for name in set(sys.modules) - before if "private" in name}

    def test_an_interrupt_while_loading_goes_through(self, bench: Bench) -> None:
        """Ctrl-C ends the program, not only the loading."""
        with pytest.raises(KeyboardInterrupt):
            bench.pipeline("raise KeyboardInterrupt")
