"""The report of a scoring run as one HTML file that needs nothing else: no network, its pictures and script inside."""

from evaluation.report.build import REPORT_NAME, build

__all__ = ["REPORT_NAME", "build"]
