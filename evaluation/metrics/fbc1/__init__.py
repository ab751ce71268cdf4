"""The scores of the first FusionBrain Challenge (AI Journey 2021), number for number and by its rules.

Four subtasks: code translation (CodeBLEU), handwritten text (string accuracy), zero-shot detection (F1), questions
about pictures (accuracy). What parses code and what knows Russian is loaded when it is first needed.
"""
