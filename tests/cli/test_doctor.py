import pytest
from doctor_corpus import Shape, program

from chainrule.doctor.child import examine
from chainrule.errors import InputError

SHAPE = Shape("arguments", True, (6,), "relu", "softmax")


@pytest.fixture
def write(tmp_path):
    def write(source, name="network.py"):
        (tmp_path / name).write_text(source, encoding="utf-8")
        return name

    return write


def test_right_code_ends_with_0(run, write):
    finished = run("doctor", write(program(SHAPE)))
    assert finished.code == 0
    assert finished.out.startswith("network.py: the gradients are right")


def test_wrong_code_ends_with_1_and_says_what_to_change(run, write):
    finished = run("doctor", write(program(SHAPE, "bias over everything")))
    assert finished.code == 1
    assert "2 of 4 gradients wrong: b1, b2" in finished.out
    assert "np.sum(dZ) → np.sum(dZ, axis=1, keepdims=True)" in finished.out
    assert max(map(len, finished.out.splitlines())) <= 80


def test_json_says_the_same(run, write):
    answer = run("doctor", write(program(SHAPE, "sign")), "--json").json
    assert not answer["right"]
    assert answer["diagnoses"][0]["code"] == "factor"
    assert {g["verdict"] for g in answer["gradients"]} == {"wrong"}


def test_functions_can_be_named(run, write):
    source = program(SHAPE).replace("forward_prop", "vorwaerts").replace("backward_prop", "zurueck")
    finished = run("doctor", write(source))
    assert finished.code == 2
    assert "--forward NAME" in finished.err
    finished = run("doctor", "network.py", "--forward", "vorwaerts", "--backward", "zurueck")
    assert finished.code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.py"], "There is no file"),
        (["network.py", "--forward", "nothing"], "There is no function `nothing`. Found: "),
        (["network.py", "--seconds", "0"], "--seconds is 0"),
    ],
)
def test_bad_input_ends_with_2_and_says_what_to_do(run, write, arguments, message):
    write(program(SHAPE))
    finished = run("doctor", *arguments)
    assert finished.code == 2
    assert message in finished.err


def test_an_endless_loop_is_stopped(tmp_path):
    path = tmp_path / "loop.py"
    path.write_text(program(SHAPE).replace("    m = X.shape[1]\n", "    m = X.shape[1]\n    while True: pass\n"))
    with pytest.raises(InputError, match=r"stopped after 4 seconds|signal"):
        examine(path, seconds=4)


def test_the_code_runs_in_an_empty_folder_and_writes_no_large_file(tmp_path):
    path = tmp_path / "writer.py"
    path.write_text(
        program(SHAPE).replace("    m = X.shape[1]\n", "    m = X.shape[1]\n    open('left.txt', 'w').write('x')\n")
    )
    assert examine(path).right
    assert sorted(p.name for p in tmp_path.iterdir()) == ["writer.py"]


def test_too_much_memory_is_refused(tmp_path):
    path = tmp_path / "greedy.py"
    path.write_text(program(SHAPE).replace("    m = X.shape[1]\n", "    m = X.shape[1]\n    np.ones((40000, 40000))\n"))
    with pytest.raises(InputError, match=r"memory|allocate"):
        examine(path)


def test_a_package_that_is_not_here_is_named(run, write):
    source = "import keras\n" + program(SHAPE).replace(
        "def forward_prop(W1, b1, W2, b2, X):\n",
        "def forward_prop(W1, b1, W2, b2, X):\n    keras.backend.clear_session()\n",
    )
    finished = run("doctor", write(source))
    assert finished.code == 2
    assert "keras" in finished.err
