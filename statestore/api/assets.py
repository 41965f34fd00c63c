"""Assets: data sets by name and uri."""

from django.http import HttpRequest, HttpResponse

from statestore import queries, services
from statestore.access import Right
from statestore.api import answer, bodies, params
from statestore.api.base import ApiView


class AssetList(ApiView):
    """Every asset that the principal reaches."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """A page of them, by id."""
        self.principal.require_right(Right.VIEW)
        found = queries.asset_page(
            wanted=params.asset_query(request),
            principal=self.principal,
            limit=params.number(request, "limit", default=50, least=0),
            offset=params.number(request, "offset", default=0, least=0),
        )
        return answer.assets(found)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Get or create one."""
        name, uri = bodies.asset(request)
        self.principal.require_new_asset(name)
        asset, is_new = services.asset_register(name=name, uri=uri)
        return answer.data(answer.asset_data(asset), status=201 if is_new else 200)


class AssetDetail(ApiView):
    """One asset."""

    def get(self, request: HttpRequest, asset_id: str) -> HttpResponse:
        """Read it."""
        found = queries.asset_get(int(asset_id))
        self.principal.require_asset(found.id, found.name, Right.VIEW)
        return answer.data(answer.asset_data(found))
