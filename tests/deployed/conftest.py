"""What the cases share: a world for each set of parameters, made when the first case asks for it."""

import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from parameters import DEFAULTS, EVERYTHING, Deployment
from world import World


def pytest_addoption(parser):
    parser.addoption("--build", type=Path, help="what .ci/build made")
    parser.addoption("--simulators", type=Path, help="the example `serve` of local/aws, built")
    parser.addoption("--calls", type=Path, help="a file for what each function asked AWS, and whether it might")
    parser.addoption("--command", type=Path, help="the command `gatekeeper`, built")
    parser.addoption("--sam", type=Path, help="the SAM CLI")


def pytest_configure():
    # Like Ctrl-C, so that everything that was started ends too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


def _world(deployment: Deployment, request):
    directory = Path(tempfile.mkdtemp(prefix=f"gatekeeper-{deployment.name}-"))
    option = request.config.getoption
    try:
        world = World(deployment, option("--sam"), option("--build"), option("--simulators"), directory)
        try:
            yield world
        finally:
            if option("--calls"):
                world.add_calls(option("--calls"), deployment.name)
            world.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def defaults(request):
    yield from _world(DEFAULTS, request)


@pytest.fixture(scope="session")
def everything(request):
    yield from _world(EVERYTHING, request)


@pytest.fixture(params=[DEFAULTS.name, EVERYTHING.name])
def world(request):
    """One after the other."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def impatient(defaults):
    """The queue hands failed records out again after two seconds, not after its six minutes: the one thing of the stack
    that a test changes, since nobody wants to wait for it."""
    queue = defaults.stack["ConnectionsQueueUrl"]

    def set_to(seconds):
        defaults.sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": seconds})

    names = ["VisibilityTimeout"]
    before = defaults.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    set_to("2")
    yield defaults
    defaults.simulators.heal()
    set_to(before["VisibilityTimeout"])
