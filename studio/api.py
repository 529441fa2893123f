"""The REST API under /api/v1. Thin: each call opens the workspace, asks core once, and returns a record.

Routes are plain functions, so that the work of core runs in worker threads and never holds the server.
"""

from __future__ import annotations

from importlib.metadata import version
from shutil import rmtree
from tempfile import mkdtemp
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse
from starlette.background import BackgroundTask

from core.base_models import is_available
from core.errors import InputError, NotFoundError, RefusedError, StudioError
from core.evaluation import Evaluation
from core.methods import all_methods
from core.methods.base import options_for
from core.model import Model
from core.project import Project
from core.project.versions import Version
from core.records import ImportReport, Item, Label, Progress, ProjectInfo
from core.run import Run
from studio import api_customer_service, api_experiments, api_finance_sentiment, api_recommendation
from studio import api_models as models
from studio.api_base import PROBLEM, GetWorkspace, Open, open_workspace, protected
from studio.api_docs import add_docs_page
from studio.api_gate import Gate
from studio.api_problems import add_problem_handlers, unavailable

DESCRIPTION = """Everything the studio does, for programs: projects, items, labels, dataset versions, training runs,
models and predictions. Every call but `health` needs a token from the Settings page, sent as
`Authorization: Bearer TOKEN`. A call that fails answers with a problem (RFC 9457): title, detail, hint."""


def create_api(get_workspace: GetWorkspace) -> FastAPI:
    """The application to mount at /api; ``get_workspace`` is called for every request and may raise StudioError."""
    app = FastAPI(
        title="Whetstone API",
        version=version("whetstone"),
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        servers=[{"url": "/api"}],
    )
    app.state.get_workspace = get_workspace
    app.add_middleware(Gate, get_workspace=get_workspace)
    add_problem_handlers(app)
    add_docs_page(app)
    app.include_router(_health, prefix="/v1")
    app.include_router(_router, prefix="/v1")
    app.include_router(api_experiments.router, prefix="/v1")
    app.include_router(api_customer_service.router, prefix="/v1")
    app.include_router(api_finance_sentiment.router, prefix="/v1")
    app.include_router(api_recommendation.router, prefix="/v1")
    return app


RunId = Annotated[str, Path(max_length=100)]


def _project(workspace: Open, project_id: Annotated[models.Id, Path()]) -> Project:
    return workspace.project(project_id)


def _model(workspace: Open, model_id: RunId) -> Model:
    return workspace.model(model_id)


def _run(workspace: Open, run_id: RunId) -> Run:
    return workspace.run(run_id)


Chosen = Annotated[Project, Depends(_project)]
ChosenModel = Annotated[Model, Depends(_model)]
ChosenRun = Annotated[Run, Depends(_run)]

_health = APIRouter(tags=["health"])
_router = protected()


@_health.get("/health", response_model=models.Health, responses=PROBLEM)
def health(request: Request) -> models.Health | Response:
    """Whether the studio is up and its workspace open. Needs no token."""
    try:
        open_workspace(request)
    except StudioError as error:
        return unavailable(error)
    return models.Health(version=version("whetstone"))


# ---------------------------------------------------------------- projects and labels


@_router.get("/projects", tags=["projects"])
def list_projects(workspace: Open) -> list[ProjectInfo]:
    """All projects, oldest first."""
    return [project.info for project in workspace.projects()]


@_router.post("/projects", tags=["projects"], status_code=201)
def create_project(workspace: Open, new: models.NewProject) -> ProjectInfo:
    """Create a project, with or without labels."""
    labels = [label.model_dump() for label in new.labels]
    return workspace.create_project(
        new.name, task=new.task, labels=labels, language=new.language, guidelines=new.guidelines, user=new.user
    ).info


@_router.get("/projects/{project_id}", tags=["projects"])
def get_project(project: Chosen) -> ProjectInfo:
    """One project."""
    return project.info


@_router.get("/projects/{project_id}/labels", tags=["labels"])
def list_labels(project: Chosen) -> list[Label]:
    """The label schema in its order."""
    return project.labels


@_router.post("/projects/{project_id}/labels", tags=["labels"], status_code=201)
def add_labels(project: Chosen, new: models.NewLabels) -> list[Label]:
    """Add labels to the schema, all or none."""
    return project.add_labels([label.model_dump() for label in new.labels], user=new.user)


@_router.get("/projects/{project_id}/progress", tags=["labels"])
def get_progress(project: Chosen, user: Annotated[str | None, Query(max_length=100)] = None) -> Progress:
    """How far the labeling is; with `user` also that person's pace."""
    return project.progress(user)


# ---------------------------------------------------------------- items


@_router.post("/projects/{project_id}/items", tags=["items"], status_code=201)
def add_items(project: Chosen, new: models.NewItems) -> ImportReport:
    """Add rows. Rows that cannot be used are named in the answer with their reason, the others come in."""
    rows = [item.model_dump(exclude_unset=True) for item in new.items]
    return project.add_items(rows, user=new.user, source=new.source, on_duplicate=new.on_duplicate)


@_router.get("/projects/{project_id}/items", tags=["items"])
def list_items(project: Chosen, query: Annotated[models.ItemQuery, Query()]) -> models.ItemPage:
    """One page of the items that the filter lets through, in import order."""
    items = project.items(query.filter, query.offset, query.limit, query.newest_first)
    return models.ItemPage(items=items, total=project.count(query.filter), offset=query.offset, limit=query.limit)


@_router.get("/projects/{project_id}/export", tags=["items"], response_class=FileResponse)
def export_items(project: Chosen, query: Annotated[models.ExportQuery, Query()]) -> FileResponse:
    """What the filter lets through as a file that imports back to the same state; a dataset is a zip. `conll` is a
    column file of labelled spans, for projects of spans only, with the tags in the scheme iob2 or bioes."""
    folder = mkdtemp()
    ending = "zip" if query.format == "datasets" else query.format
    path = f"{folder}/items.{ending}"
    try:
        project.export(path, query.format, query.filter, query.scheme)
    except StudioError:
        rmtree(folder, ignore_errors=True)
        raise
    sent = BackgroundTask(rmtree, folder, ignore_errors=True)
    return FileResponse(path, filename=f"whetstone-project-{project.id}.{ending}", background=sent)


@_router.get("/projects/{project_id}/items/{item_id}", tags=["items"])
def get_item(project: Chosen, item_id: Annotated[models.Id, Path()]) -> Item:
    """One item with its current label."""
    return project.item(item_id)


@_router.put("/projects/{project_id}/items/{item_id}/label", tags=["labels"])
def set_label(project: Chosen, item_id: Annotated[models.Id, Path()], new: models.NewAnswer) -> Item:
    """Label an item; on disk when the answer comes. Earlier labels stay in its history."""
    project.label(item_id, new.label, user=new.user, source="api")
    return project.item(item_id)


# ---------------------------------------------------------------- versions


@_router.get("/projects/{project_id}/versions", tags=["versions"])
def list_versions(project: Chosen) -> list[models.PublicVersion]:
    """Frozen dataset versions, newest first."""
    return [_public_version(version) for version in project.versions()]


@_router.post("/projects/{project_id}/versions", tags=["versions"], status_code=201)
def freeze(project: Chosen, new: models.NewVersion) -> models.PublicVersion:
    """Freeze the labelled items into train, dev and test."""
    return _public_version(project.freeze(**new.model_dump()))


def _public_version(version: Version) -> models.PublicVersion:
    return models.PublicVersion(**version.info.model_dump())


# ---------------------------------------------------------------- runs


@_router.get("/projects/{project_id}/runs", tags=["runs"])
def list_runs(project: Chosen) -> list[models.PublicRun]:
    """Training runs of a project, newest first."""
    return [_public_run(run) for run in project.runs()]


@_router.post("/projects/{project_id}/runs", tags=["runs"], status_code=202)
def start_run(workspace: Open, project: Chosen, new: models.NewRun) -> models.PublicRun:
    """Queue a training run and answer at once; ask for its state until it is no longer active."""
    like = workspace.run(new.like) if new.like else None
    if like is not None and like.project_id != project.id:
        raise NotFoundError(f"'{project.name}' has no run '{new.like}'.", "Name a run of this project.")
    method = new.method or (like.method if like else "features")
    # Before they become named arguments: an option called 'version' would take that one's place.
    workspace.check_options(method, new.options, project.task.name)
    frozen = project.version(new.version_id) if new.version_id else None
    if like is not None:
        run = like.duplicate(frozen, method, new.base, new.device, **new.options)
    elif frozen is not None:
        run = project.train(frozen, method, new.base, new.device or "auto", **new.options)
    else:
        raise InputError("A run needs a dataset version to learn from.", "Give version_id, or like.")
    return _public_run(run)


@_router.get("/runs/{run_id}", tags=["runs"])
def get_run(run: ChosenRun) -> models.PublicRun:
    """What a run was asked to do and how far it is."""
    return _public_run(run)


@_router.get("/runs/{run_id}/events", tags=["runs"])
def list_run_events(run: ChosenRun) -> list[dict[str, Any]]:
    """What happened so far: steps with loss, figures on the dev split, notes."""
    return run.events()


@_router.get("/runs/{run_id}/curves", tags=["runs"], response_class=Response)
def export_curves(run: ChosenRun, tracker: Annotated[str, Query(max_length=100)] = "tensorboard") -> Response:
    """The curves so far as a zip of the folder that an experiment tracker reads: tensorboard; wandb (offline), mlflow
    and trackio where they are installed."""
    return Response(run.export_zip(tracker), media_type="application/zip")


@_router.post("/runs/{run_id}/stop", tags=["runs"], status_code=202)
def stop_run(run: ChosenRun) -> models.PublicRun:
    """Pause a run: ask it to save and stop, which frees the machine; resume goes on with what was trained so far."""
    run.stop()
    return _public_run(run)


@_router.post("/runs/{run_id}/move", tags=["runs"])
def move_run(run: ChosenRun, new: models.NewPosition | None = None) -> models.PublicRun:
    """Give a waiting run another position in the queue; the next one when none is given."""
    run.move((new or models.NewPosition()).position)
    return _public_run(run)


@_router.post("/runs/{run_id}/now", tags=["runs"], status_code=202)
def run_now(run: ChosenRun) -> models.PublicRun:
    """Let a waiting run begin as soon as what trains on its device has saved its work; that goes on afterwards."""
    run.run_now()
    return _public_run(run)


@_router.post("/runs/{run_id}/resume", tags=["runs"], status_code=202)
def resume_run(run: ChosenRun) -> models.PublicRun:
    """Go on from the last complete checkpoint."""
    return _public_run(run.resume())


@_router.get("/queue", tags=["runs"])
def get_queue(workspace: Open) -> models.QueueState:
    """The runs that wait, of all projects, and whether the queue is paused."""
    return models.QueueState(paused=workspace.queue_paused, waiting=[run.id for run in workspace.queue()])


@_router.put("/queue", tags=["runs"])
def set_queue(workspace: Open, new: models.NewQueueState) -> models.QueueState:
    """Pause the queue, so that nothing new begins, or let it go on."""
    if new.paused:
        workspace.pause_queue()
    else:
        workspace.continue_queue()
    return get_queue(workspace)


def _public_run(run: Run) -> models.PublicRun:
    return models.PublicRun(
        **run.status.model_dump(),
        project_id=run.project_id,
        version_id=run.version_id,
        method=run.method,
        base=run.base,
        options=run.options,
    )


# ---------------------------------------------------------------- models and predictions


@_router.get("/projects/{project_id}/models", tags=["models"])
def list_models(project: Chosen) -> list[models.PublicModel]:
    """Registered models of a project, newest first."""
    return [_public_model(model) for model in project.models()]


@_router.get("/models/{model_id}", tags=["models"])
def get_model(model: ChosenModel) -> models.PublicModel:
    """One registered model with its test metrics. Its id is the id of the run that made it."""
    return _public_model(model)


@_router.get("/models/{model_id}/card", tags=["models"], response_class=PlainTextResponse)
def get_card(model: ChosenModel) -> PlainTextResponse:
    """The model card, Markdown."""
    return PlainTextResponse(model.card(), media_type="text/markdown")


@_router.get("/models/{model_id}/evaluation", tags=["models"])
def get_evaluation(model: ChosenModel, split: Literal["test", "dev"] = "test") -> Evaluation:
    """The report of a model on a split of its version: figures with intervals, scores by label, confusions, mistakes;
    of tagging also scores of single words by label and by tag."""
    return model.evaluate(split, beside=False)


@_router.post("/models/{model_id}/promote", tags=["models"])
def promote(model: ChosenModel, new: models.Promotion | None = None) -> models.PublicModel:
    """Let this model serve its project."""
    return _public_model(model.promote((new or models.Promotion()).user))


@_router.post("/models/{model_id}/predict", tags=["predict"])
def predict(model: ChosenModel, new: models.PredictionRequest) -> models.Predictions:
    """Label, probability and all scores for each text, by one model; the label of a model that writes is its text."""
    return models.Predictions(model=model.id, predictions=model.predict(new.texts, new.texts_b, new.writing))


@_router.post("/models/{model_id}/embed", tags=["predict"])
def embed(model: ChosenModel, new: models.EmbeddingRequest) -> models.Embeddings:
    """The vector of each text by a model of pairs; the product of two vectors says how alike their texts are."""
    vectors = model.embed(new.texts)
    return models.Embeddings(model=model.id, vectors=vectors.tolist())


@_router.post("/models/{model_id}/search", tags=["predict"])
def search(workspace: Open, model: ChosenModel, new: models.SearchRequest) -> models.SearchResults:
    """The candidates that match each text best, by a model of pairs; another one may read the best ones again."""
    again = workspace.model(new.rerank_with) if new.rerank_with else None
    found = model.search(new.queries, new.candidates, new.top, again)
    return models.SearchResults(model=model.id, found=found)


@_router.post("/projects/{project_id}/predict", tags=["predict"])
def predict_by_champion(project: Chosen, new: models.PredictionRequest) -> models.Predictions:
    """The same by the model that serves the project."""
    model = project.champion()
    if model is None:
        raise RefusedError(f"No model serves '{project.name}' yet.", "Promote one of its models first.")
    return predict(model, new)


def _public_model(model: Model) -> models.PublicModel:
    return models.PublicModel(**model.info.model_dump())


# ---------------------------------------------------------------- what there is to choose from


@_router.get("/methods", tags=["choices"])
def list_methods(task: Annotated[str | None, Query(max_length=100)] = None) -> list[models.MethodEntry]:
    """The ways to make a model, with the JSON schema of their options."""
    return [
        models.MethodEntry(
            name=method.name,
            title=method.title,
            summary=method.summary,
            tasks=sorted(method.tasks),
            needs_base=method.needs_base,
            resumable=method.resumable,
            options=(options_for(method, task) if task else method.Options).model_json_schema(),
        )
        for method in all_methods(task)
    ]


@_router.get("/bases", tags=["choices"])
def list_base_models(workspace: Open) -> list[models.BaseEntry]:
    """The base models that are known by name. Any other Hub id may be given as well."""
    runner = workspace.runner
    return [
        models.BaseEntry(**info.model_dump(), available=is_available(info.id, runner.bases, runner.runs))
        for info in workspace.bases()
    ]
