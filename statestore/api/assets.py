"""Assets: data sets by name and uri."""

from django.http import HttpRequest, HttpResponse

from statestore import queries, services
from statestore.access import Right
from statestore.api import answer, bodies, params
from statestore.api.base import ApiView
from statestore.errors import ForbiddenError


class AssetList(ApiView):
    """Every asset that the principal reaches."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """A page of them, by id."""
        self.principal.require_right(Right.VIEW)
        found = queries.asset_page(
            principal=self.principal,
            name_pattern=request.GET.get("name_pattern", ""),
            uri_pattern=request.GET.get("uri_pattern", ""),
            limit=params.number(request, "limit", default=50, least=0),
            offset=params.number(request, "offset", default=0, least=0),
        )
        return answer.assets(found)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Get or create one."""
        name, uri = bodies.asset(request)
        if not self.principal.reaches_asset(name):
            raise ForbiddenError(f"These credentials do not reach the asset {name!r}.")
        self.principal.require_right(Right.WRITE)
        asset, is_new = services.asset_register(name=name, uri=uri)
        return answer.data(answer.asset_data(asset), status=201 if is_new else 200)


class AssetDetail(ApiView):
    """One asset."""

    def get(self, request: HttpRequest, asset_id: str) -> HttpResponse:
        """Read it."""
        found = queries.asset_get(int(asset_id))
        self.principal.require_asset(found.id, found.name, Right.VIEW)
        return answer.data(answer.asset_data(found))
