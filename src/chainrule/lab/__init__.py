"""The lab: a live page on the real network. `chainrule lab` serves it on this machine.

Every number on the page comes from the engine: the browser draws and asks, and computes nothing itself.

    answers.py     what the rooms ask, each a function of a model and of numbers, to what JSON can say
    steps.py       one image, forward and back and one update, with every matrix, and any entry's formula
    twins.py       a mistake of the museum beside its healthy twin
    trainings.py   live trainings, one for each visitor, in threads of their own
    guards.py      who may ask, how often, and how much
    app.py         the routes
    serve.py       the server: port, token, browser
    static/        the page: HTML, CSS and modules, without a build step; uPlot draws the curves
"""
