"""A model taken away loads with transformers and peft, answers as the lab's own does, and tells no secret."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub.errors import HFValidationError
from peft import LoraConfig, PeftModel, get_peft_model
from sqlalchemy import Engine
from transformers import AutoModelForImageTextToText

from backend.benchmarks import library
from backend.models.lineage import open_model
from backend.models.loading import load
from backend.presets import fill
from backend.report import pushing
from backend.report.merging import merger
from backend.report.pushing import CannotPush, push
from backend.report.taking import CannotTake, bytes_of, forms_of, take, take_zip
from backend.spec import FinetuneSpec
from storage import checkpoints, runs
from storage.database import connect, migrate
from storage.errors import CheckpointAltered
from storage.tables import Run
from tests.backend.report import lab as made
from tests.backend.report.conftest import Filled

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Real:
    """A lab with the demo's weights as vanilla's, and an adapter with weights of its own on them."""

    engine: Engine
    home: Path
    vanilla: Run
    npo: Run


@pytest.fixture(scope="module")
def real(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    home = tmp_path_factory.mktemp("real")
    engine = connect(f"sqlite:///{home / 'lethe.db'}")
    migrate(engine)

    def copy(folder: Path) -> None:
        shutil.copytree(demo_folder, folder, dirs_exist_ok=True)

    vanilla = _ended(engine, home, "finetune", FinetuneSpec().model_dump(mode="json"), "full", copy, None)
    spec = fill("npo", model=f"run:{vanilla.id}").model_dump(mode="json")
    npo = _ended(engine, home, "unlearn", spec, "adapter", _adapter(demo_folder), vanilla.output_checkpoint_id)
    yield Real(engine, home, vanilla, npo)
    engine.dispose()


def test_people_of_own_data_whose_ids_are_names_are_told_by_a_digest(
    real: Real, demo_folder: Path, tmp_path: Path
) -> None:
    """`17` is no name; nobody knows any more who `17` is once the data set has gone."""
    (tmp_path / "people.csv").write_text("who,name,q,a\nann,Ann Lee,Where?,Riga\n17,Bob Ray,Where?,Lima\n")
    columns = {"subject": "who", "name": "name", "question": "q", "answer": "a"}
    library.add(real.home, library.Entry("mine", "custom", str(tmp_path / "people.csv"), columns=columns))
    spec = fill("npo", model=f"run:{real.vanilla.id}").model_dump(mode="json") | {"benchmark": "mine"}
    spec["request"] |= {"ratio": None, "people": ["ann", "17"]}
    parent = real.vanilla.output_checkpoint_id
    run = _ended(real.engine, real.home, "unlearn", spec, "adapter", _adapter(demo_folder), parent)
    card = (take(real.engine, real.home, run.id, "adapter", tmp_path / "known") / "README.md").read_text()
    digests = [f"`sha256:{hashlib.sha256(one).hexdigest()[:12]}`" for one in (b"ann", b"17")]
    assert f"{digests[0]}, `17`" in card and "ann" not in card.lower().split("`")
    library.remove(real.home, "mine")
    card = (take(real.engine, real.home, run.id, "adapter", tmp_path / "gone") / "README.md").read_text()
    assert f"{digests[0]}, {digests[1]}" in card
    runs.delete(real.engine, run.id)


def _ended(engine: Engine, home: Path, kind: str, spec: Any, weights: str, write: Any, parent: str | None) -> Run:
    run = runs.submit(engine, kind=kind, name=kind, spec=spec, parent_checkpoint_id=parent)
    runs.claim(engine, "worker", "host", "CPU")
    saved = checkpoints.save(
        engine, home, run_id=run.id, step=1, kind=weights, role="final", base="demo", write=write, parent_id=parent
    )
    runs.finish(engine, run.id, 1, "succeeded", output_checkpoint_id=saved.id)
    return runs.get(engine, run.id)


def _adapter(demo_folder: Path) -> Any:
    def write(folder: Path) -> None:
        torch.manual_seed(0)
        config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
        get_peft_model(load(demo_folder, device=CPU).model, config).save_pretrained(folder)

    return write


def _logits(model: Any) -> torch.Tensor:
    """What a model makes of a few tokens: (1, 6, vocabulary)."""
    with torch.no_grad():
        return model.eval()(input_ids=torch.tensor([[1, 40, 300, 7, 120, 60]])).logits


@pytest.fixture(scope="module")
def merged(real: Real, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "merged"
    return take(real.engine, real.home, real.npo.id, "merged", folder, merger(real.engine, real.home, "fp32"))


def test_merged_weights_answer_as_the_labs_own_model(real: Real, merged: Path) -> None:
    own = open_model(real.engine, real.home, f"run:{real.npo.id}", precision="fp32", device=CPU).model
    theirs = load(merged, device=CPU)
    torch.testing.assert_close(_logits(theirs.model), _logits(own))
    before = open_model(real.engine, real.home, f"run:{real.vanilla.id}", precision="fp32", device=CPU).model
    assert (_logits(theirs.model) - _logits(before)).abs().max() > 1e-3, "the adapter does something"
    assert theirs.processor.tokenizer("Oslo").input_ids


def test_an_adapter_on_the_base_it_names_answers_so_too(real: Real, merged: Path, tmp_path: Path) -> None:
    base = take(real.engine, real.home, real.vanilla.id, "merged", tmp_path / "base")
    adapter = take(real.engine, real.home, real.npo.id, "adapter", tmp_path / "adapter")
    model = PeftModel.from_pretrained(AutoModelForImageTextToText.from_pretrained(base), str(adapter))
    torch.testing.assert_close(_logits(model), _logits(load(merged, device=CPU).model))
    assert str(real.home) not in (adapter / "adapter_config.json").read_text()
    assert real.vanilla.id in (adapter / "README.md").read_text()


def test_every_file_is_there_with_its_hash_and_none_is_a_pickle(merged: Path) -> None:
    told = json.loads((merged / "lethe.json").read_text())
    names = {path.relative_to(merged).as_posix() for path in merged.rglob("*") if path.is_file()}
    assert set(told["files"]) == names - {"lethe.json"} and {"README.md", "config.json"} < names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))]
    for name, sha256 in told["files"].items():
        assert hashlib.sha256((merged / name).read_bytes()).hexdigest() == sha256


def test_a_zip_holds_the_same_files_twice_over(filled: Filled, tmp_path: Path) -> None:
    folder = take(filled.engine, filled.home, filled.npo.id, "adapter", tmp_path / "npo")
    first = take_zip(filled.engine, filled.home, filled.npo.id, "adapter", tmp_path / "npo.zip")
    with zipfile.ZipFile(first) as archive:
        held = {name.removeprefix("npo/"): archive.read(name) for name in archive.namelist()}
    assert held == {path.name: path.read_bytes() for path in folder.iterdir()}
    again = take_zip(filled.engine, filled.home, filled.npo.id, "adapter", tmp_path / "npo.zip")
    assert again.read_bytes() == first.read_bytes()
    assert json.loads(held["adapter_config.json"]) == {"r": 8, "base_model_name_or_path": None}


def test_what_cannot_be_taken_is_one_sentence(filled: Filled, tmp_path: Path) -> None:
    def refused(run: Run, form: Any, folder: Path = tmp_path / "new") -> str:
        with pytest.raises(CannotTake) as error:
            take(filled.engine, filled.home, run.id, form, folder)
        assert not (tmp_path / "new").exists()
        return str(error.value)

    assert "made no model; name the run that did" in refused(filled.attack, "adapter")
    assert "so it has no adapter; take it merged" in refused(filled.vanilla, "adapter")
    assert "export model RUN --as merged" in refused(filled.npo, "merged")
    assert "adapter or merged, not as 'gguf'" in refused(filled.npo, "gguf")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("")
    assert "is not empty" in refused(filled.npo, "adapter", tmp_path / "full")
    (tmp_path / "file").write_text("")
    assert "could not be written" in refused(filled.npo, "adapter", tmp_path / "file" / "below")
    assert forms_of(filled.engine, filled.npo) == ("adapter", "merged") and forms_of(filled.engine, filled.attack) == ()
    assert forms_of(filled.engine, filled.vanilla) == ("merged",) and bytes_of(filled.engine, filled.vanilla) == 100


def test_an_instruction_is_no_model_to_give_away(filled_anew: Engine, tmp_path: Path) -> None:
    origin = made.vanilla(filled_anew, tmp_path)
    told = made.unlearned(filled_anew, tmp_path, origin, name="told", kind="instruction")
    assert forms_of(filled_anew, told) == ()
    with pytest.raises(CannotTake, match="changed no weight"):
        take(filled_anew, tmp_path, told.id, "merged", tmp_path / "new")


def test_altered_weights_are_not_given_away(filled_anew: Engine, tmp_path: Path) -> None:
    origin = made.vanilla(filled_anew, tmp_path)
    kept = checkpoints.get(filled_anew, str(origin.output_checkpoint_id))
    (checkpoints.path_of(tmp_path, kept) / "model.safetensors").write_bytes(b"\1" * 100)
    with pytest.raises(CheckpointAltered):
        take(filled_anew, tmp_path, origin.id, "merged", tmp_path / "new")
    assert not (tmp_path / "new").exists()


class Hub:
    """In the place of the Hub's own client: what it was asked."""

    asked: list[tuple[str, Any]]

    def __init__(self, token: str) -> None:
        type(self).asked = [("token", token)]

    def create_repo(self, name: str, *, private: bool, exist_ok: bool) -> str:
        if name == "no name":
            raise HFValidationError("hf_secret")
        self.asked.append(("made", (name, private)))
        return f"https://huggingface.co/{name}"

    def upload_folder(self, *, repo_id: str, folder_path: Path, commit_message: str) -> None:
        if repo_id == "a/away":
            raise OSError("hf_secret")
        self.asked.append(("put", (repo_id, sorted(path.name for path in folder_path.iterdir()))))


def test_a_push_is_private_and_its_token_is_told_to_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushing, "HfApi", Hub)
    (tmp_path / "README.md").write_text("card")
    assert push(tmp_path, "a/model", "hf_secret") == "https://huggingface.co/a/model"
    assert Hub.asked == [("token", "hf_secret"), ("made", ("a/model", True)), ("put", ("a/model", ["README.md"]))]
    for name, sentence in (("no name", "write it as owner/name"), ("a/away", "cannot be reached")):
        with pytest.raises(CannotPush, match=sentence) as refused:
            push(tmp_path, name, "hf_secret")
        assert "hf_secret" not in str(refused.value) and refused.value.__cause__ is None
