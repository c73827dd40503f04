"""Does the page on writing a recipe do what it says, word for word?"""

from tests.blocks import blocks


def test_the_page_runs_and_keeps_the_contract(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in blocks("docs/writing-a-recipe.md", "python"):
        exec(compile(block, "docs/writing-a-recipe.md", "exec"), names)
    said = capsys.readouterr().out
    assert "mend_lines: 16 promises kept" in said
    table = names["model"].score(names["tests"], real=False).set_index("learner")["value"]
    assert table["model"] < table["untouched"]
    assert table["model"] < table["rows"]
