"""Two ways of training that must come to the same: one batch or two halves, stopped and resumed or in one go, the
reference kept or asked anew, the adapter off or a copy of the model."""

import copy
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from backend.benchmarks.demo import DemoBenchmark
from backend.models.answers import read_answers
from backend.models.encoding import Encoded, Encoder
from backend.models.lineage import make_trainable
from backend.models.loading import load
from backend.objectives.objective import ObjectiveLoss
from backend.objectives.schedule import Turns
from backend.objectives.seen import Term
from backend.spec import Objective, Training
from backend.training.plan import PairedPlan, collator
from backend.training.trainer import Diverged, LetheTrainer, Write

CPU = torch.device("cpu")


class Notebook:
    """A watcher that writes down what it is told, stops at a step, and keeps checkpoints in a folder."""

    def __init__(self, folder: Path, stop_at: int = 0) -> None:
        self.folder, self.stop_at = folder, stop_at
        self.losses: dict[int, float] = {}
        self.duals: dict[int, float] = {}

    def stepped(self, step: int, figures: dict[str, float]) -> str:
        self.losses[step] = figures["loss"]
        if "dual" in figures:
            self.duals[step] = figures["dual"]
        return "save" if step == self.stop_at else "none"

    def evaluate(self, step: int) -> str:
        return "none"

    def save(self, step: int, write: Write) -> None:
        kept = self.folder / f"step{step}"
        kept.mkdir()
        write(kept)


class Bench:
    """A small model and a few items, trained as a run would train them."""

    def __init__(self, demo_folder: Path, world: DemoBenchmark, tmp_path: Path) -> None:
        self.folder, self.scratch = demo_folder, tmp_path
        loaded = load(demo_folder, device=CPU)
        self.encoder = Encoder(loaded.processor)
        self.forget = self._rows(world, "p01")
        self.retain = self._rows(world, "p02")

    def _rows(self, world: DemoBenchmark, subject: str) -> list[Encoded]:
        return [self.encoder.encode(i.question, i.answer, i.image) for i in world.training_items((subject,))[::9]]

    def model(self, training: Training) -> Any:
        return make_trainable(load(self.folder, device=CPU).model, training)

    def train(
        self,
        training: Training,
        objective: Objective,
        *,
        watcher: Notebook,
        model: Any = None,
        resume: Path | None = None,
        kind: type[LetheTrainer] = LetheTrainer,
    ) -> Any:
        model = model if model is not None else self.model(training)
        per_step = training.batch_size * training.accumulation
        turns = Turns.of(objective, len(self.forget), len(self.retain), per_step)
        loss = ObjectiveLoss(objective, model, seed=training.seed, turns=turns)
        sums = loss.reference_sums(self.encoder.collate(self.forget)).tolist() if loss.needs_reference_sums else None
        if resume is not None:
            from safetensors.torch import load_file

            if (resume / "adapter_model.safetensors").exists():
                from peft import set_peft_model_state_dict

                set_peft_model_state_dict(model, load_file(resume / "adapter_model.safetensors"))
            else:
                from backend.models.lineage import load_weights

                model.load_state_dict(load_weights(resume))
        plan = PairedPlan(
            len(self.forget),
            len(self.retain),
            training.steps * per_step,
            training.seed,
            turns=turns,
            samples_per_step=per_step,
        )
        trainer = kind(
            model=model,
            objective=loss,
            plan=plan,
            collate=collator(self.encoder, self.forget, self.retain, sums, labels=objective.labels),
            training=training,
            folder=self.scratch / "trainer",
            watcher=watcher,
            use_cpu=True,
        )
        trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        return model


@pytest.fixture
def bench(demo_folder: Path, world: DemoBenchmark, tmp_path: Path) -> Bench:
    return Bench(demo_folder, world, tmp_path)


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters() if parameter.requires_grad}


def largest_difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


NPO = Objective(forget="npo", retain="ce")


PDU_IN_TURNS = Objective(forget="pdu", retain="ce", pdu_epsilon=0.5, pdu_rate=0.1, schedule="every_k", every=3)


@pytest.mark.parametrize(
    ("adapter", "objective"),
    [("lora", NPO), ("full", NPO), ("lora", PDU_IN_TURNS)],
    ids=["lora", "full", "pdu in turns"],
)
def test_a_run_that_was_stopped_and_resumed_ends_where_an_uninterrupted_one_does(
    bench: Bench, tmp_path: Path, adapter: str, objective: Objective
) -> None:
    training = Training(
        adapter=adapter,
        steps=6,
        batch_size=3,
        learning_rate=1e-3,
        schedule="cosine",
        warmup=0.2,
        lora_dropout=0.1,
    )
    whole = Notebook(tmp_path / "whole")
    in_one_go = weights(bench.train(training, objective, watcher=whole))

    first, second = Notebook(tmp_path, stop_at=4), Notebook(tmp_path)
    bench.train(training, objective, watcher=first)
    assert not list((tmp_path / "step4").glob("*.p*t*")), "nothing pickled is written"
    resumed = weights(bench.train(training, objective, watcher=second, resume=tmp_path / "step4"))

    assert sorted(first.losses) == [1, 2, 3, 4] and sorted(second.losses) == [5, 6]
    assert first.losses | second.losses == pytest.approx(whole.losses, rel=1e-6)
    assert largest_difference(in_one_go, resumed) < 1e-6
    if objective is PDU_IN_TURNS:
        assert first.duals | second.duals == pytest.approx(whole.duals, rel=1e-6)
        assert sorted(whole.duals) == [2, 3, 5, 6] and len(set(whole.duals.values())) == 4, "and it does move"


class Recording(LetheTrainer):
    """Keeps the gradients of the last batch of a step, before they are used."""

    gradients: ClassVar[dict[str, torch.Tensor]] = {}

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        loss = self.step(model, inputs, num_items_in_batch)
        found = {name: weight.grad for name, weight in self.bare_model().named_parameters() if weight.requires_grad}
        Recording.gradients = {name: gradient.clone() for name, gradient in found.items() if gradient is not None}
        return loss

    def step(self, model: Any, inputs: Any, tokens: Any) -> torch.Tensor:
        return super().training_step(model, inputs, tokens)


class Joint(Recording):
    """The plain way: all terms added up into one graph, and one backward pass."""

    def step(self, model: Any, inputs: Any, tokens: Any) -> torch.Tensor:
        model.train()
        batch: Any = self._prepare_inputs(inputs)
        accumulated = self.current_gradient_accumulation_steps
        parts = list(self.objective.parts(model, batch, self.state.global_step, tokens / accumulated))
        loss = torch.stack([part.loss for part in parts]).sum()
        self.accelerator.backward(loss / accumulated)
        self._figures.setdefault("loss", []).append(loss.item())
        return loss.detach()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("accumulation", [1, 2])
def test_parts_backpropagated_one_by_one_give_the_gradients_of_their_sum(
    bench: Bench, tmp_path: Path, precision: str, accumulation: int
) -> None:
    objective = Objective(forget="npo", retain="ce", retain_weight=2, regulariser="l1_lora", regulariser_weight=1e-4)
    training = Training(steps=2, batch_size=3, accumulation=accumulation, precision=precision, learning_rate=1e-4)
    found = []
    for kind in (Recording, Joint):
        notebook = Notebook(tmp_path)
        bench.train(training, objective, watcher=notebook, kind=kind)
        found.append((Recording.gradients, notebook.losses))
    (by_parts, losses), (at_once, joint_losses) = found
    assert losses == pytest.approx(joint_losses, rel=1e-5)
    assert largest_difference(by_parts, at_once) < 1e-6 < max(float(one.abs().max()) for one in at_once.values())


def test_what_lora_starts_from_is_drawn_from_the_seed(bench: Bench) -> None:
    torch.manual_seed(1)
    one = weights(bench.model(Training(seed=3)))
    torch.manual_seed(2)
    again, other = weights(bench.model(Training(seed=3))), weights(bench.model(Training(seed=4)))
    assert largest_difference(one, again) == 0
    assert largest_difference(one, other) > 1e-3


def test_a_batch_of_eight_and_two_halves_of_four_make_the_same_step(bench: Bench, tmp_path: Path) -> None:
    # Answers are not of one length: the retain mean is over the tokens of the whole step.
    assert len({len(row.ids) - row.start for row in bench.retain}) > 1
    objective = Objective(forget="ga", retain="ce")
    one = Training(steps=3, batch_size=8, accumulation=1, learning_rate=1e-3, clip=1e6)
    halves = one.model_copy(update={"batch_size": 4, "accumulation": 2})
    together = bench.train(one, objective, watcher=Notebook(tmp_path))
    split = bench.train(halves, objective, watcher=Notebook(tmp_path))
    assert largest_difference(weights(together), weights(split)) < 1e-5


def test_the_kept_reference_is_the_live_one(bench: Bench) -> None:
    training = Training()
    model = bench.model(training)
    before = copy.deepcopy(model)
    loss = ObjectiveLoss(NPO, model)
    batch = bench.encoder.collate(bench.forget)
    kept = loss.reference_sums(batch)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05)
        moved = read_answers(model, batch).sums
        live = loss.reference_sums(batch)
        copied = read_answers(before, batch).sums
    assert torch.allclose(kept, live, atol=1e-5), "with the adapter off the reference never moves"
    assert torch.allclose(kept, copied, atol=1e-5), "and it is what a copy of the model says"
    assert not torch.allclose(kept, moved, atol=1e-2)


@pytest.mark.parametrize("modules", ["language", "language+projector", "all"])
def test_only_the_declared_parameters_move(bench: Bench, tmp_path: Path, modules: str) -> None:
    training = Training(adapter="full", modules=modules, steps=2, batch_size=2, learning_rate=1e-3)
    model = bench.model(training)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    declared = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    bench.train(training, Objective(forget="ga", retain="ce"), watcher=Notebook(tmp_path), model=model)
    moved = {name for name, parameter in model.named_parameters() if not torch.equal(before[name], parameter)}
    assert moved and moved <= declared


def test_ascent_raises_the_forget_loss_and_descent_lowers_the_retain_loss(bench: Bench, tmp_path: Path) -> None:
    training = Training(adapter="full", modules="all", steps=40, batch_size=4, learning_rate=2e-3)

    def losses(model: Any) -> tuple[float, float]:
        with torch.no_grad():
            return tuple(
                -read_answers(model, bench.encoder.collate(rows)).means.mean().item()
                for rows in (bench.forget, bench.retain)
            )  # type: ignore[return-value]

    learnt = bench.train(training, Objective(forget="none", retain="ce"), watcher=Notebook(tmp_path))
    forget_before, retain_before = losses(learnt)
    unlearnt = bench.train(
        training,
        Objective(forget="ga", retain="ce", retain_weight=2),
        watcher=Notebook(tmp_path),
        model=learnt,
    )
    forget_after, retain_after = losses(unlearnt)
    assert forget_after > forget_before + 0.5
    assert retain_after < retain_before + 0.2


def test_a_loss_that_is_no_number_ends_the_run_with_a_sentence(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backend.objectives import objective

    broken = Term(lambda seen: seen.policy.token_log_probs * float("nan"), frozenset({"policy"}))
    monkeypatch.setitem(objective.RETAIN_TERMS, "ce", broken)
    with pytest.raises(Diverged, match="the loss became nan at step 1; try a smaller learning rate"):
        bench.train(Training(steps=2, batch_size=2), NPO, watcher=Notebook(tmp_path))
