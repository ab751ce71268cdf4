"""Tests of the contest room."""
