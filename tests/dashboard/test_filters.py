"""What a query string asks of Live and Runs, and how far down it is looked for."""

from urllib.parse import urlencode

import pytest
from django.http import QueryDict
from django.test import Client

from dashboard.filters import filter_of, quoted, word_of
from statestore.protocol import TaskScope
from tests.dashboard.data import id_of, put, silence
from tests.dashboard.test_live import names

ODD = ['say "hi"', "a b", "=x", "dag:x", r"back\slash and \"", "tab\tx", '"', "plain-1_2", "a:b"]


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("whole", [True, False])
def test_any_name_can_be_asked_for(name: str, whole: bool) -> None:
    text = f"{word_of('dag', name, whole=whole)} {quoted(name)} key:k"
    where = filter_of(QueryDict(urlencode({"q": text})))
    assert (where.dag, where.words, where.key) == (name, (name,), "k")
    assert where.whole == ({"dag"} if whole else set())


def test_links_to_a_dag_lead_to_that_one_alone(viewing: Client) -> None:
    for dag in ("sales", "salesforce", 'sa"les'):
        put("progress", 1, TaskScope(dag, "r-" + dag, "load"))
    for dag in ("sales", 'sa"les'):
        number = id_of(TaskScope(dag, "r-" + dag, "load"))
        query = urlencode({"q": word_of("dag", dag, whole=True)})
        for page in (f"/t/{number}/", f"/t/{number}/k/?key=progress"):
            assert f'href="/?{query}"' in viewing.get(page).content.decode()
        assert f'href="/runs/?{query}"' in viewing.get(f"/runs/{number}/").content.decode()
        (run,) = viewing.get(f"/runs/?{query}").context["page"].runs
        assert run.dag_id == dag
        assert names(viewing.get(f"/?{query}").content.decode()) == ["load"]


@pytest.mark.parametrize("query", ["task:export", "task:=export_marts", "run:old", "key:job_id"])
def test_what_an_index_finds_is_found_however_old(
    viewing: Client, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("statestore.queries.matching._LOOKED_AT", 3)
    monkeypatch.setattr("statestore.queries.counting.FEW", 4)
    old = TaskScope("sales", "old-1", "export_marts")
    put("job_id", "x", old)
    silence(old, minutes=3 * 7 * 24 * 60)
    for number in range(10):
        put("progress", number, TaskScope("sales", "new", f"load-{number}"))
    assert names(viewing.get(f"/?q={query}").content.decode()) == ["export_marts"]
    (run,) = viewing.get(f"/runs/?q={query}").context["page"].runs
    assert run.run_id == "old-1"
    assert names(viewing.get(f"/?q={query}+marts&sort=newest").content.decode()) == ["export_marts"]
    assert names(viewing.get(f"/?q={query}+dag:hr").content.decode()) == []


def test_what_is_many_is_looked_for_among_the_newest(
    viewing: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("statestore.queries.matching._LOOKED_AT", 3)
    monkeypatch.setattr("statestore.queries.counting.FEW", 4)
    for number in range(10):
        put("progress", number, TaskScope("sales", "new", f"load-{number}"))
    page = viewing.get("/?q=task:load&sort=newest").context["page"]
    assert (page.table.size, page.table.looked_at) == (3, 3)
    assert page.table.next_after
