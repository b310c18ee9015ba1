import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True, scope="module")
def one_blas_thread():
    """Small products gain nothing from threads, and lose much where other work keeps the cores busy."""
    with threadpool_limits(1):
        yield
