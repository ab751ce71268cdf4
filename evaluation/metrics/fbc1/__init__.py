"""The scores of the first FusionBrain Challenge (AI Journey 2021), number for number and by its rules.

Four subtasks: code translation (CodeBLEU), handwritten text (string accuracy), zero-shot detection (F1), questions
about pictures (accuracy). What parses code and what knows Russian is loaded when it is first needed.
"""

from evaluation.metrics.fbc1.detection import iou as iou
from evaluation.metrics.fbc1.detection import zsod_f1 as zsod_f1
from evaluation.metrics.fbc1.errors import UnscorableError as UnscorableError
from evaluation.metrics.fbc1.handwriting import cer as cer
from evaluation.metrics.fbc1.handwriting import htr_accuracy as htr_accuracy
from evaluation.metrics.fbc1.handwriting import string_accuracy as string_accuracy
from evaluation.metrics.fbc1.handwriting import wer as wer
from evaluation.metrics.fbc1.questions import vqa_accuracy as vqa_accuracy
from evaluation.metrics.fbc1.translation import code_bleu as code_bleu
