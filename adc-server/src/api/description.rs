//! What the OpenAPI document says beside the operations: its title, how callers sign in, and `?account=`.

use crate::roles::Role;
use utoipa::{
    OpenApi,
    openapi::{
        Components, ObjectBuilder, OpenApi as Document, RefOr, Type,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};
use utoipa_axum::router::OpenApiRouter;

/// How administrators and scripts sign in; the role beside it in each operation is the weakest that may call it.
const API_KEY: &str = "api_key";
/// How agents sign in.
const AGENT: &str = "agent";

/// The document of these routes.
pub(super) fn of<S>(routes: OpenApiRouter<S>) -> Document
where
    S: Clone + Send + Sync + 'static,
{
    let mut document = Description::openapi();
    document.merge(routes.into_openapi());
    add_credentials(document.components.get_or_insert_default());
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        if is_about_an_account(operation) && !says_itself(operation) {
            operation.parameters.get_or_insert_default().push(RefOr::T(account()));
        }
    }
    document
}

#[derive(OpenApi)]
#[openapi(info(
    title = "adc-server",
    description = "The control plane. Errors are application/problem+json (RFC 9457) with a stable code. Lists page by \
                   limit and cursor. A key of the whole system names the account that is meant: ?account=ID or NAME."
))]
struct Description;

fn add_credentials(components: &mut Components) {
    for (name, scheme) in [(API_KEY, HttpAuthScheme::Bearer), (AGENT, HttpAuthScheme::Basic)] {
        let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(scheme).build());
        components.add_security_scheme(name, scheme);
    }
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut path.get, &mut path.post, &mut path.put, &mut path.patch, &mut path.delete].into_iter().flatten()
}

/// Whether API keys call it about one account: every query of [`super::auth`]'s readers and administrators is.
fn is_about_an_account(operation: &Operation) -> bool {
    let roles = Role::ALL.into_iter().filter(|role| role.needs_account());
    let mut about_one = roles.map(|role| SecurityRequirement::new(API_KEY, [role.as_str()]));
    about_one.any(|needed| operation.security.as_ref().is_some_and(|security| security.contains(&needed)))
}

/// Whether the operation has its own word on `?account=`.
fn says_itself(operation: &Operation) -> bool {
    operation
        .parameters
        .iter()
        .flatten()
        .any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.name == ACCOUNT))
}

const ACCOUNT: &str = "account";

fn account() -> Parameter {
    ParameterBuilder::new()
        .name(ACCOUNT)
        .parameter_in(ParameterIn::Query)
        .description(Some(
            "The account that is meant, by id or name: a key of the whole system must say it, the key of an account need \
             not.",
        ))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}
