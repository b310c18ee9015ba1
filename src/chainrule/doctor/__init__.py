"""The gradient doctor: it finds what is wrong with somebody's backpropagation, and says so.

    report = diagnose(loss, gradients, parameters)      any NumPy code, called from Python       diagnosis.py
    examination = examine("my_network.py")               a script or a notebook                    examination.py

How it works, from the bottom up:

    differences.py     ∂ℓ/∂θ by central differences, with the step that fits, and kinks recognised
    reference.py       a network of any depth in its plainest form, with every known mistake as a switch
    hypotheses.py      which mistake explains the numbers: what follows from the gradients alone, and what the
                       reference reproduces when its switch is set
    source.py          reads definitions out of scripts and notebooks, and not the training cells
    names.py           what a name means: X, images and a0 are all inputs
    binding.py         calls a stranger's function with what its arguments are named for
    programs.py        init, forward, backward and update of a file, as one function of θ
    pieces.py          softmax, one_hot, activations and initialisation, each on its own
    layers.py          classes with a forward and a backward of their own
    rehearsal.py       what right gradients do not show: one image alone, how it starts, twenty examples
    child.py           all of that in a process of its own, with limits on time, memory and files
"""

from chainrule.doctor.diagnosis import Finding, Report, diagnose

__all__ = ["Finding", "Report", "diagnose"]
