"""The front door: one workspace, its projects, runs and models. Pages, API, tests and notebooks share it.

SKELETON of the agreed surface: signatures and docstrings are the contract while the rooms are being built.
"""
from __future__ import annotations

# ---------------------------------------------------------------------------------------------------------------
# core/workspace.py
# class Workspace:                                  context manager; thread-safe
#     @classmethod open(path=None, settings=None) -> Workspace       creates or migrates; WorkspaceBusyError, StorageError
#     @classmethod demo(path) -> Workspace                            open + sample projects + their first trained models queued
#     path: Path; settings: Settings; warnings: list[str] (self-check)
#     close()
#     projects() -> list[Project];  project(id:int) -> Project;  create_project(name, task="classification", labels=(), language="en", guidelines="") -> Project
#     delete_project(id)
#     bases -> core.base_models registry (list_bases(), get_base(id))
#     runs(project_id=None) -> list[Run]; run(id) -> Run          newest first
#     models(project_id=None) -> list[Model]; model(id) -> Model
#     backup(target: Path|None=None) -> Path; restore(path)        consistent; restore keeps a copy of what it replaces
#     backups() -> list[Path]
#     create_token(name) -> str (shown once); tokens() -> list[TokenInfo(id,name,created_at,last_used_at,revoked_at)]; check_token(secret)->bool; revoke_token(id)
#     preference(key, default=None); set_preference(key, value)
#     hardware() -> Hardware (core.training.hardware)
#
# core/project.py
# class Project:  info: ProjectInfo; id, name, language, task(Task object: .name)
#     update(name=None, language=None, guidelines=None)
#     --- labels
#     labels -> list[Label]; add_label(name, colour="", key="", description="", example="", user="me") -> Label
#     edit_label(name, **fields); rename_label(old, new, user=); merge_labels(source, into, user=); remove_label(name) (refused while used)
#     schema_events() -> list[SchemaEvent]
#     --- data
#     preview_file(path, filename=None, format=None) -> ImportPreview
#     import_file(path, text="text", label=None, split=None, id=None, text_b=None, on_duplicate="skip"|"keep", filename=None, user="me", progress=callable(Progressing)|None) -> ImportReport
#         (label=None/split=None/...: no such column is used unless given; path may also be str)
#     import_text(lines: str, ...)  pasted text, one item a line;  import_dataset(name, split=None, config=None, ...) Hugging Face
#     imports() -> list[ImportRecord]
#     add_items([{text, label?, id?, split?, ...meta}], user=) -> ImportReport        the API's way in
#     items(filter=ItemFilter(), offset=0, limit=50, order="position") -> list[Item];  count(filter) -> int;  item(id) -> Item
#     sources() -> list[str]; annotators() -> list[str]
#     label_counts(filter) -> dict[str,int]; length_histogram(filter) -> list[(int,int)]
#     export(path, format="csv"|"jsonl"|"parquet"|"datasets", filter=ItemFilter()) -> int rows
#     --- cleaning
#     find_problems(kinds=None, progress=None) -> list[Finding];  apply_finding(kind, item_ids, action, user) -> CleaningBatch
#     cleaning_batches() -> list[CleaningBatch];  undo_cleaning(batch_id)
#     --- labeling
#     next_item(user, current=None) -> Item|None     claimed for the user; the same item again until it is answered
#     label(item_id, value, user, suggestion: Suggestion|None=None, elapsed_ms=None, source="human")     durable on return
#     skip(item_id, user); flag(item_id, note, user); unflag(item_id, user); undo(user) -> Item|None (the item it brings back); go_to(item_id, user) -> Item
#     bulk_label(filter or ids, value, user) -> int
#     recent(user, limit=10) -> list[Item]    last answered by the user, newest first
#     progress(user=None) -> Progress
#     suggest(item_ids) -> dict[int, list[Suggestion]]  (best first; empty while nothing can suggest); never blocks longer than a page may wait
#     history(item_id) -> list[LabelEvent]
#     --- versions
#     freeze(test=0.2, dev=0.1, seed=0, split=None|"imported", labels=None, min_per_class=..., group_duplicates=True) -> Version(.info .id .number .labels .counts .hash .warnings)
#     versions() -> list[Version]; version(id) -> Version
#     --- models
#     train(version, method="features", base=None|"minilm", device="auto", **options) -> Run
#     runs() -> list[Run]; models() -> list[Model]; champion() -> Model|None; promote(model_id, user=)
#
# core/run.py     class Run: id, project_id, version_id, method, base, options, state, error, hint, created_at, progress (done,total,message), eta_seconds,
#     events() -> list[dict], curves(), log_tail(lines=40); wait(timeout=None) -> Run; stop(); resume(); delete(); model -> Model|None
# core/model.py   class Model: info, id, predict(texts, texts_b=None) -> list[Prediction]; evaluate(split="test") -> Evaluation; card() -> str (Markdown); archive(path) -> Path (zip);
#     predict_file(path, out, text="text", progress=) -> int; promote(user); delete()
# core/evaluation Evaluation: accuracy, macro_f1, weighted_f1, intervals {name:(low,high)}, per_class {label: ClassScore(precision,recall,f1,support)}, confusion list[list[int]] with labels,
#     confused_pairs, mistakes [Mistake(item_id,text,gold,predicted,score)], baseline: Evaluation|None, before: Evaluation|None, split, rows, calibration; to_html() to_markdown() to_json()
# ---------------------------------------------------------------------------------------------------------------
