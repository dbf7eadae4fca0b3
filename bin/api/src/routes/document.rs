//! How a route describes itself, and the OpenAPI 3.1 document that the descriptions of the whole table make. Examples are
//! values of the very types that are sent, so they cannot drift from the code.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, OneOfBuilder, Ref, Schema, SchemaFormat, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, HttpMethod, InfoBuilder, OpenApi, OpenApiBuilder, Paths, RefOr, Required, Response,
    ResponseBuilder,
};

use super::access::Scope;
use super::headers;
use crate::http::answer::{LEFT_OUT_NAME, PDF};
use crate::http::csv::CSV;
use crate::http::idempotency::IDEMPOTENCY_KEY;
use crate::http::problem::{Kind, PROBLEM_JSON, ProblemDocument};

const JSON: &str = "application/json";
const TOKEN: &str = "token";
const UUID_EXAMPLE: &str = "01928c3e-5a7b-7c1d-9e2f-3a4b5c6d7e8f";
/// Any route may answer these.
const EVERYWHERE: [Kind; 2] = [Kind::TargetTooLong, Kind::HeadTooLarge];
/// Any guarded route may answer these.
const GUARDED: [Kind; 3] = [Kind::Malformed, Kind::Unauthenticated, Kind::Forbidden];
const EVERY_STORE_CALL: [Kind; 3] = [Kind::Internal, Kind::Overloaded, Kind::Unavailable];
const EVERY_BODY: [Kind; 4] = [Kind::Malformed, Kind::Timeout, Kind::TooLarge, Kind::MediaType];

pub(crate) type NamedSchema = (String, RefOr<Schema>);

/// One route as the document shows it.
pub(crate) struct Operation {
    builder: OperationBuilder,
    schemas: Vec<NamedSchema>,
    kinds: Vec<Kind>,
}

impl Operation {
    /// The id that generated clients name their function by, the group, and one line.
    pub(crate) fn new(id: &str, tag: &str, summary: &str) -> Self {
        let builder = OperationBuilder::new().operation_id(Some(id)).tag(tag).summary(Some(summary));
        Self { builder, schemas: Vec::new(), kinds: Vec::new() }
    }

    /// More than one line.
    pub(crate) fn says(mut self, description: &str) -> Self {
        self.builder = self.builder.description(Some(description));
        self
    }

    /// An optional query parameter.
    pub(crate) fn parameter(self, name: &str, schema: Schema, description: &str) -> Self {
        self.with(parameter(ParameterIn::Query, name, schema, description))
    }

    /// A query parameter that must be given.
    pub(crate) fn required_parameter(self, name: &str, schema: Schema, description: &str) -> Self {
        let mut parameter = parameter(ParameterIn::Query, name, schema, description);
        parameter.required = Required::True;
        self.with(parameter)
    }

    /// The `{id}` of the path.
    pub(crate) fn id(self, description: &str) -> Self {
        self.with(parameter(ParameterIn::Path, "id", uuid(), description))
    }

    /// The `{id}` of the path, where it is a number.
    pub(crate) fn number(self, description: &str) -> Self {
        let id = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .minimum(Some(1))
            .examples([json!(42)])
            .build();
        self.with(parameter(ParameterIn::Path, "id", id.into(), description))
    }

    /// The `{id}` of a path that is no UUID.
    pub(crate) fn name_in_path(self, schema: Schema, description: &str) -> Self {
        self.with(parameter(ParameterIn::Path, "id", schema, description))
    }

    /// `If-Match`, and that what is to be changed may have been changed.
    pub(crate) fn conditional(mut self) -> Self {
        self.kinds.push(Kind::PreconditionFailed);
        self.with(headers::if_match())
    }

    /// `limit` and `cursor`.
    pub(crate) fn paged(self) -> Self {
        let limit = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(50))
            .examples([json!(20)])
            .build();
        self.parameter("limit", limit.into(), "Rows of a page; default 20.").parameter(
            "cursor",
            ObjectBuilder::new().schema_type(Type::String).build().into(),
            "`nextCursor` of the page before; all other parameters as they were then.",
        )
    }

    /// The `Idempotency-Key` header.
    pub(crate) fn idempotent(self) -> Self {
        let key = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[!-~]{1,255}$"))
            .examples([json!("8e03978e-40d5-43dd-bc93-6894a57f9324")])
            .build();
        let says = "The same key with the same body has one effect within 24 hours; again, it answers with what was made as it is now, or 409 \
             while the first is under way.";
        self.with(parameter(ParameterIn::Header, IDEMPOTENCY_KEY, key.into(), says))
    }

    /// The JSON body that it takes.
    pub(crate) fn body<T: ToSchema + Serialize>(mut self, example: &T) -> Self {
        let content = self.content(example);
        let body = RequestBodyBuilder::new().content(JSON, content).required(Some(Required::True)).build();
        self.builder = self.builder.request_body(Some(body));
        self.kinds.extend(EVERY_BODY);
        self
    }

    /// The CSV file that it takes.
    pub(crate) fn body_csv(mut self, example: &str) -> Self {
        let schema = ObjectBuilder::new().schema_type(Type::String).build();
        let content = ContentBuilder::new().schema(Some(schema)).example(Some(json!(example))).build();
        let body = RequestBodyBuilder::new().content(CSV, content).required(Some(Required::True)).build();
        self.builder = self.builder.request_body(Some(body));
        self.kinds.extend(EVERY_BODY);
        self
    }

    /// A successful answer.
    pub(crate) fn answers<T: ToSchema + Serialize>(mut self, status: u16, description: &str, example: &T) -> Self {
        let content = self.content(example);
        let response = ResponseBuilder::new().description(description).content(JSON, content).build();
        self.builder = self.builder.response(status.to_string(), response);
        self
    }

    /// 200 with one of two objects, each with its example.
    pub(crate) fn answers_either<A, B>(mut self, description: &str, one: &A, other: &B) -> Self
    where
        A: ToSchema + Serialize,
        B: ToSchema + Serialize,
    {
        let either = OneOfBuilder::new().item(Ref::from_schema_name(A::name())).item(Ref::from_schema_name(B::name()));
        let examples = [(A::name(), self.content(one)), (B::name(), self.content(other))]
            .map(|(name, content)| (name, ExampleBuilder::new().value(content.example).build()));
        let content = ContentBuilder::new().schema(Some(Schema::from(either))).examples_from_iter(examples).build();
        let response = ResponseBuilder::new().description(description).content(JSON, content).build();
        self.builder = self.builder.response("200", response);
        self
    }

    /// 200 as JSON, or as a PDF for who asks for that.
    pub(crate) fn answers_or_pdf<T: ToSchema + Serialize>(mut self, description: &str, example: &T) -> Self {
        let binary = ObjectBuilder::new().schema_type(Type::String).content_media_type(PDF);
        let pdf = ContentBuilder::new().schema(Some(binary.build())).example(Some(json!("%PDF-1.7 …"))).build();
        let mut response =
            ResponseBuilder::new().description(description).content(JSON, self.content(example)).content(PDF, pdf);
        for (name, says) in [
            ("ETag", "With a PDF: the SHA-256 of its bytes."),
            ("Content-Disposition", "With a PDF: to be saved under the invoice's number."),
        ] {
            let schema = ObjectBuilder::new().schema_type(Type::String).build();
            response = response.header(name, HeaderBuilder::new().schema(Some(schema)).description(Some(says)).build());
        }
        self.builder = self.builder.response("200", response.build());
        self
    }

    /// 200 as JSON, or as a CSV file for who asks for that.
    pub(crate) fn answers_or_csv<T: ToSchema + Serialize>(mut self, description: &str, example: &T, csv: &str) -> Self {
        let text = ObjectBuilder::new().schema_type(Type::String).build();
        let file = ContentBuilder::new().schema(Some(text.clone())).example(Some(json!(csv))).build();
        let says = "With a CSV file: to be saved under this name.";
        let name = HeaderBuilder::new().schema(Some(text)).description(Some(says)).build();
        let response =
            ResponseBuilder::new().description(description).content(JSON, self.content(example)).content(CSV, file);
        self.builder = self.builder.response("200", response.header("Content-Disposition", name).build());
        self
    }

    /// 201, with the place of what was made.
    pub(crate) fn creates<T: ToSchema + Serialize>(mut self, description: &str, example: &T) -> Self {
        let content = self.content(example);
        let location = HeaderBuilder::new()
            .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
            .description(Some("Its path."))
            .build();
        let response =
            ResponseBuilder::new().description(description).content(JSON, content).header("Location", location).build();
        self.builder = self.builder.response("201", response);
        self
    }

    /// A successful answer of a JSON object that has no type here.
    pub(crate) fn answers_json(self, status: u16, description: &str, example: Value) -> Self {
        self.answers_as(status, JSON, Type::Object, description, example)
    }

    /// A page.
    pub(crate) fn answers_html(self, status: u16, description: &str, example: Value) -> Self {
        self.answers_as(status, "text/html", Type::String, description, example)
    }

    /// A CSV file.
    pub(crate) fn answers_csv(mut self, description: &str, example: &str) -> Self {
        let schema = ObjectBuilder::new().schema_type(Type::String).build();
        let content = ContentBuilder::new().schema(Some(schema)).example(Some(json!(example))).build();
        let count = ObjectBuilder::new().schema_type(Type::Integer).build();
        let says = "How many rows a deck cannot show.";
        let left_out = HeaderBuilder::new().schema(Some(count)).description(Some(says)).build();
        let response = ResponseBuilder::new().description(description).content(CSV, content);
        self.builder = self.builder.response("200", response.header(LEFT_OUT_NAME, left_out).build());
        self
    }

    /// A CSV file that leaves nothing out.
    pub(crate) fn answers_whole_csv(self, description: &str, example: &str) -> Self {
        self.answers_as(200, CSV, Type::String, description, json!(example))
    }

    /// The problems that it may answer, beyond those that every route of its sort may.
    pub(crate) fn refuses(mut self, kinds: &[Kind]) -> Self {
        self.kinds.extend(kinds);
        self
    }

    /// The types that it names; two of one name must be one.
    #[cfg(test)]
    pub(crate) fn schemas(&self) -> &[NamedSchema] {
        &self.schemas
    }

    fn answers_as(mut self, status: u16, media: &str, kind: Type, description: &str, example: Value) -> Self {
        let schema = ObjectBuilder::new().schema_type(kind).build();
        let content = ContentBuilder::new().schema(Some(schema)).example(Some(example)).build();
        let response = ResponseBuilder::new().description(description).content(media, content).build();
        self.builder = self.builder.response(status.to_string(), response);
        self
    }

    fn with(mut self, parameter: Parameter) -> Self {
        self.builder = self.builder.parameter(parameter);
        self
    }

    fn content<T: ToSchema + Serialize>(&mut self, example: &T) -> utoipa::openapi::Content {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        let example = serde_json::to_value(example).ok();
        ContentBuilder::new().schema(Some(Ref::from_schema_name(T::name()))).example(example).build()
    }

    /// With what its scope and its method add, and its problems by status.
    fn build(
        mut self,
        method: &HttpMethod,
        path: &str,
        scope: Option<Scope>,
    ) -> (utoipa::openapi::path::Operation, Vec<NamedSchema>) {
        self.kinds.extend(EVERYWHERE);
        if let Some(scope) = scope {
            self.kinds.extend(GUARDED);
            self.kinds.extend(EVERY_STORE_CALL);
            self.builder = self.builder.security(SecurityRequirement::new(TOKEN, [scope.name()]));
        }
        self.kinds.sort_by_key(|kind| (kind.status(), *kind));
        self.kinds.dedup();
        for same_status in self.kinds.chunk_by(|a, b| a.status() == b.status()) {
            self.builder = self.builder.response(same_status[0].status().as_str(), problem_response(same_status));
        }
        let mut operation = self.builder.build();
        headers::complete(&mut operation, method, path, scope.is_some());
        (operation, self.schemas)
    }
}

/// The document of a table of routes.
pub(crate) fn open_api(
    routes: impl IntoIterator<Item = (HttpMethod, &'static str, Option<Scope>, Operation)>,
) -> OpenApi {
    let mut paths = Paths::new();
    let mut schemas =
        vec![(ProblemDocument::name().into_owned(), <ProblemDocument as utoipa::PartialSchema>::schema())];
    ProblemDocument::schemas(&mut schemas);
    for (method, path, scope, operation) in routes {
        let (operation, used) = operation.build(&method, path, scope);
        paths.add_path_operation(path, vec![method], operation);
        schemas.extend(used);
    }
    let mut components = Components::new();
    components.schemas.extend(schemas);
    let token = Http::builder()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(
            "RS256, ES256 or EdDSA, with iss, aud, exp and sub; tenant, account, scope and roles as claims.",
        ))
        .build();
    components.security_schemes.insert(TOKEN.into(), RefOr::T(SecurityScheme::Http(token)));
    let info = InfoBuilder::new()
        .title("Billing")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Usage, invoices, prices and operator costs of the SMS gateway. Money is a decimal string, days are UTC and inclusive at \
             both ends, errors are RFC 9457 problems whose `type` is stable. Unknown parameters and fields are refused. HEAD is answered \
             wherever GET is, and OPTIONS everywhere; every answer carries `X-Request-Id`.",
        ))
        .build();
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components)).build()
}

/// A UUID.
pub(crate) fn uuid() -> Schema {
    string(Some(KnownFormat::Uuid), UUID_EXAMPLE)
}

/// A day.
pub(crate) fn day() -> Schema {
    string(Some(KnownFormat::Date), "2026-10-01")
}

/// Any text.
pub(crate) fn text(example: &str) -> Schema {
    string(None, example)
}

/// One of some names.
pub(crate) fn text_of(names: &[&str], example: &str) -> Schema {
    let names = names.iter().map(|name| json!(name));
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).examples([json!(example)]).into()
}

/// An operator's id.
pub(crate) fn operator_id() -> Schema {
    let pattern = Some("^[A-Za-z0-9_-]{1,64}$");
    ObjectBuilder::new().schema_type(Type::String).pattern(pattern).examples([json!("41220")]).into()
}

/// `true` or `false`.
pub(crate) fn flag() -> Schema {
    ObjectBuilder::new().schema_type(Type::Boolean).examples([json!(true)]).into()
}

fn string(format: Option<KnownFormat>, example: &str) -> Schema {
    let format = format.map(SchemaFormat::KnownFormat);
    ObjectBuilder::new().schema_type(Type::String).format(format).examples([json!(example)]).into()
}

fn parameter(place: ParameterIn, name: &str, schema: Schema, description: &str) -> Parameter {
    let required = if matches!(place, ParameterIn::Path) { Required::True } else { Required::False };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .schema(Some(schema))
        .description(Some(description))
        .build()
}

/// All problems of one status, each with its example.
fn problem_response(kinds: &[Kind]) -> Response {
    let examples = kinds.iter().map(|kind| {
        let document = json!({
            "type": kind.uri(),
            "title": kind.title(),
            "status": kind.status().as_u16(),
            "detail": kind.meaning(),
            "instance": "urn:trace:4bf92f3577b34da6a3ce929d0e0e4736",
        });
        (kind.name(), ExampleBuilder::new().summary(kind.title()).value(Some(document)).build())
    });
    let schema = Ref::from_schema_name(ProblemDocument::name());
    let content = ContentBuilder::new().schema(Some(schema)).examples_from_iter(examples).build();
    let titles: Vec<_> = kinds.iter().map(|kind| kind.title()).collect();
    let response =
        ResponseBuilder::new().description(format!("{}.", titles.join(", or "))).content(PROBLEM_JSON, content);
    let header = |name: &str, response: ResponseBuilder| {
        let schema = ObjectBuilder::new().schema_type(Type::String).build();
        response.header(name, HeaderBuilder::new().schema(Some(schema)).build())
    };
    let response = if kinds.contains(&Kind::Unauthenticated) { header("WWW-Authenticate", response) } else { response };
    let waits = kinds.iter().any(|kind| kind.retry_after().is_some());
    if waits { header("Retry-After", response) } else { response }.build()
}
