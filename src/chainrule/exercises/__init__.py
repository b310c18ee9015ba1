"""The course's exercises, and checks that teach.

    from chainrule.exercises import check
    check("5.2", my_function)

A check tries the function on fresh random cases. It says right, or what is wrong and where to look; it never shows the
answer. `chapters/` has one file a chapter; `grading.py` says what an exercise is.
"""

from chainrule.exercises.grading import Exercise, Verdict, check, exercise_named, exercises

__all__ = ["Exercise", "Verdict", "check", "exercise_named", "exercises"]
