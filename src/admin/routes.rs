//! Every path of the admin API, with what it needs and who answers it.
//!
//! Promised: nothing is answered that is not in this table, but for the files of `console`.

use std::pin::Pin;
use std::sync::Arc;

use http::Method;
use percent_encoding::percent_decode_str;

use super::auth::Role;
use super::chats::What;
use super::problem::{Code, Problem};
use super::{
    Admin, Answer, Call, changes, elsewhere, mapping, openapi, operations, probes, reload, reports,
    tenants,
};

/// What a request must bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Open,
    /// Nothing, unless probes are configured to need a token.
    Probe,
    /// A token with at least this role.
    Role(Role),
}

type Handler = fn(Arc<Admin>, Call) -> Pin<Box<dyn Future<Output = Answer> + Send>>;

/// A path, a method, and what becomes of it.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with parameters in braces.
    pub path: &'static str,
    /// What a request must bring.
    pub access: Access,
    /// Query parameters that are known.
    pub query: &'static [&'static str],
    pub(super) handler: Handler,
}

const fn route(
    method: Method,
    path: &'static str,
    access: Access,
    query: &'static [&'static str],
    handler: Handler,
) -> Route {
    Route { method, path, access, query, handler }
}

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const OPEN: Access = Access::Open;
const PROBE: Access = Access::Probe;
const READ: Access = Access::Role(Role::Read);
const OPERATE: Access = Access::Role(Role::Operate);

/// The table.
pub static ROUTES: [Route; 30] = [
    route(GET, "/healthz", PROBE, &[], |a, c| Box::pin(probes::health(a, c))),
    route(GET, "/readyz", PROBE, &["exclude"], |a, c| Box::pin(probes::ready(a, c))),
    route(GET, "/metrics", PROBE, &[], |a, c| Box::pin(probes::metrics(a, c))),
    route(GET, "/admin/v1/openapi.json", OPEN, &[], |a, c| Box::pin(openapi(a, c))),
    route(GET, "/admin/v1/status", READ, &[], |a, c| Box::pin(probes::status(a, c))),
    route(GET, "/admin/v1/nodes", READ, &[], |a, c| Box::pin(operations::nodes(a, c))),
    route(GET, "/admin/v1/history", READ, &[], |a, c| Box::pin(operations::history(a, c))),
    route(GET, "/admin/v1/budgets", READ, &[], |a, c| Box::pin(operations::budgets(a, c))),
    route(GET, "/admin/v1/tenants", READ, &[], |a, c| Box::pin(tenants::list(a, c))),
    route(GET, "/admin/v1/tenants/{tenant}", READ, &[], |a, c| Box::pin(tenants::one(a, c))),
    route(GET, "/admin/v1/tenants/{tenant}/plan", READ, &["at", "button", "draw"], |a, c| {
        Box::pin(tenants::plan(a, c))
    }),
    route(GET, "/admin/v1/tenants/{tenant}/legacy", READ, &[], |a, c| {
        Box::pin(tenants::legacy(a, c))
    }),
    route(GET, "/admin/v1/tenants/{tenant}/shadow", READ, &[], |a, c| {
        Box::pin(tenants::shadow(a, c))
    }),
    route(GET, "/admin/v1/tenants/{tenant}/changes", READ, &["after", "limit"], |a, c| {
        Box::pin(changes::list(a, c))
    }),
    route(POST, "/admin/v1/tenants/{tenant}/changes", OPERATE, &[], |a, c| {
        Box::pin(changes::propose(a, c))
    }),
    route(POST, "/admin/v1/tenants/{tenant}/changes/preview", READ, &[], |a, c| {
        Box::pin(changes::preview(a, c))
    }),
    route(GET, "/admin/v1/tenants/{tenant}/mapping", READ, &[], |a, c| {
        Box::pin(mapping::files(a, c))
    }),
    route(POST, "/admin/v1/tenants/{tenant}/mapping/try", READ, &[], |a, c| {
        Box::pin(mapping::tried(a, c))
    }),
    route(GET, "/admin/v1/tenants/{tenant}/reports", READ, &[], |a, c| {
        Box::pin(reports::list(a, c))
    }),
    route(POST, "/admin/v1/tenants/{tenant}/reports", OPERATE, &[], |a, c| {
        Box::pin(reports::make(a, c))
    }),
    route(GET, "/admin/v1/tenants/{tenant}/reports/{report}", READ, &[], |a, c| {
        Box::pin(reports::one(a, c))
    }),
    route(GET, "/admin/v1/tenants/{tenant}/reports/{report}/html", READ, &[], |a, c| {
        Box::pin(reports::page(a, c))
    }),
    route(GET, "/admin/v1/tenants/{tenant}/reports/{report}/compare", READ, &["with"], |a, c| {
        Box::pin(reports::compared(a, c))
    }),
    route(POST, "/admin/v1/tenants/{tenant}/reports/{report}/sign", OPERATE, &[], |a, c| {
        Box::pin(reports::sign(a, c))
    }),
    route(GET, "/admin/v1/chats", READ, &["tenant", "phase", "after", "limit"], |a, c| {
        Box::pin(elsewhere::list(a, c))
    }),
    route(GET, "/admin/v1/chats/{chat}", READ, &[], |a, c| {
        Box::pin(elsewhere::one(a, What::One, c))
    }),
    route(GET, "/admin/v1/chats/{chat}/decision", READ, &[], |a, c| {
        Box::pin(elsewhere::one(a, What::Decision, c))
    }),
    route(GET, "/admin/v1/chats/{chat}/messages", READ, &[], |a, c| {
        Box::pin(elsewhere::one(a, What::Messages, c))
    }),
    route(POST, "/admin/v1/chats/{chat}/end", OPERATE, &[], |a, c| {
        Box::pin(elsewhere::one(a, What::End, c))
    }),
    route(POST, "/admin/v1/reload", OPERATE, &[], |a, c| Box::pin(reload(a, c))),
];

/// The route of a request and what stands in the place of its parameters.
pub(super) fn find(method: &Method, path: &str) -> Result<(&'static Route, Vec<String>), Problem> {
    let mut methods = Vec::new();
    for route in &ROUTES {
        let Some(params) = fits(route.path, path) else { continue };
        if route.method == *method {
            return Ok((route, params));
        }
        methods.push(route.method.as_str());
    }
    if methods.is_empty() {
        let detail = "there is no such path; GET /admin/v1/openapi.json lists all";
        return Err(Problem::new(Code::NoSuchPath, detail));
    }
    let methods = methods.join(", ");
    let detail = format!("this path takes {methods}");
    Err(Problem::new(Code::MethodNotAllowed, detail).allow(methods))
}

/// The parameters of a path that has the form of a template.
fn fits(template: &str, path: &str) -> Option<Vec<String>> {
    let mut params = Vec::new();
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(params),
            (Some(wanted), Some(given)) if wanted.starts_with('{') && !given.is_empty() => {
                params.push(percent_decode_str(given).decode_utf8().ok()?.into_owned());
            }
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return None,
        }
    }
}
