"""Weights fetched, as a person types it."""

from __future__ import annotations


def test_the_command(run, fault, cache, df1):
    assert run("fetch", "df1", "--from", df1) == f"{cache / 'df1.caffemodel'}\n"
    for arguments, message in (
        (["df1", "df2", "--from", df1], "--from: found 2 networks"),
        (["df2", "--from", df1], "not the weights of df2"),
        (["df1", "df9"], "no network 'df9' in the zoo"),
        (["resnet18"], "the release has no weights of resnet18"),
    ):
        assert message in fault("fetch", *arguments)
