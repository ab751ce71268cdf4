"""The report of a scoring run as one HTML file that needs nothing else: no network, no scripts, pictures inside."""

from evaluation.report.build import REPORT_NAME, build

__all__ = ["REPORT_NAME", "build"]
