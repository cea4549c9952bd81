#include "pipeline/openapi.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "base/json_writer.h"
#include "base/strings.h"

namespace tidegate::pipeline {
namespace {

Schema problem_schema() {
    return Schema::object({
        required("type", Schema::string()),
        required("title", Schema::string()),
        required("status", Schema::integer()),
        required("detail", Schema::string().doc("What was wrong, in words.")),
        required("error", Schema::string().doc("Short stable code.")),
        required("request_id", Schema::string()),
        required("path", Schema::string()),
        optional("errors", Schema::array(Schema::object({
                               required("field", Schema::string().doc("`items[3].text`; empty for the whole body.")),
                               required("message", Schema::string()),
                               required("type", Schema::string()),
                           }))),
    });
}

void write_parameters(JsonWriter& writer, const std::vector<Parameter>& parameters, std::string_view where) {
    for (const Parameter& parameter : parameters) {
        writer.begin_object().field("name", parameter.name).field("in", where);
        writer.field("required", parameter.required || where == "path");
        writer.key("schema");
        parameter.schema.write(writer);
        writer.end_object();
    }
}

/// The shape of a family's errors: the name of its schema, and of its media type.
std::pair<std::string_view, std::string_view> words_of(ErrorShape shape) {
    switch (shape) {
        case ErrorShape::kInference:
            return {"InferenceError", "application/json"};
        case ErrorShape::kOpenAi:
            return {"OpenAiError", "application/json"};
        case ErrorShape::kTextEmbeddings:
            return {"TextEmbeddingsError", "application/json"};
        case ErrorShape::kProblem:
            break;
    }
    return {"Problem", "application/problem+json"};
}

Schema inference_error_schema() {
    return Schema::object({required("error", Schema::string().doc("What was wrong, in words."))});
}

Schema embeddings_error_schema() {
    return Schema::object({required("error", Schema::string().doc("What was wrong, in words.")),
                           required("error_type", Schema::string())});
}

Schema openai_error_schema() {
    return Schema::object({required("error", Schema::object({
                                                 required("message", Schema::string()),
                                                 required("type", Schema::string()),
                                                 required("param", Schema::string().nullable()),
                                                 required("code", Schema::string().nullable()),
                                             }))});
}

void write_error(JsonWriter& writer, ErrorShape shape, std::string_view status, std::string_view description) {
    const auto [schema, type] = words_of(shape);
    writer.key(status).begin_object().field("description", description);
    writer.key("content").begin_object().key(type).begin_object().key("schema").begin_object();
    writer.field("$ref", "#/components/schemas/" + std::string(schema));
    writer.end_object().end_object().end_object().end_object();
}

void write_responses(JsonWriter& writer, const Route& route) {
    writer.key("responses").begin_object();
    writer.key(std::to_string(route.answer_status)).begin_object().field("description", "The answer.");
    writer.key("content").begin_object().key(route.response_type).begin_object();
    writer.key("schema");
    route.response.write(writer);
    writer.end_object().end_object().end_object();
    const auto error = [&](std::string_view status, std::string_view description) {
        write_error(writer, route.errors, status, description);
    };
    if (route.request || !route.query.empty() || !route.path_parameters.empty()) {
        error("400", "The request cannot be understood.");
        error("422", route.errors == ErrorShape::kProblem ? "Understood, and not valid: `errors` names each field."
                                                          : "Understood, and not valid; the message names each field.");
    }
    if (route.request) {
        error("413", "The body is too large.");
        error("415", "The body is not `application/json`.");
    }
    if (!route.path_parameters.empty()) error("404", "There is no such thing.");
    if (route.work != Work::kInline) {
        error("503", "The server cannot answer now; `Retry-After` says when to ask again.");
    }
    writer.end_object();
}

void write_operation(JsonWriter& writer, const Route& route) {
    writer.key(to_lower(http::to_string(route.method))).begin_object();
    writer.field("operationId", route.operation).field("summary", route.summary);
    writer.key("tags").begin_array().value(std::string_view(route.family)).end_array();
    if (!route.spend_points.is_zero()) writer.key("x-spend-points").raw(to_string(route.spend_points));
    if (!route.scopes.empty()) {
        writer.key("x-scopes").begin_array();
        for (const std::string& scope : route.scopes) writer.value(std::string_view(scope));
        writer.end_array();
    }
    if (!route.request && !route.example.empty()) writer.field("x-example-query", route.example);
    if (!route.query.empty() || !route.path_parameters.empty()) {
        writer.key("parameters").begin_array();
        write_parameters(writer, route.path_parameters, "path");
        write_parameters(writer, route.query, "query");
        writer.end_array();
    }
    if (route.request) {
        writer.key("requestBody").begin_object().field("required", true);
        writer.key("content").begin_object().key("application/json").begin_object();
        writer.key("schema");
        route.request->write(writer);
        if (!route.example.empty()) writer.key("example").raw(route.example);
        writer.end_object().end_object().end_object();
    } else if (!route.raw_type.empty()) {
        writer.key("requestBody").begin_object().field("required", true);
        writer.key("content").begin_object().key(route.raw_type).begin_object();
        const bool json = route.raw_type == "application/json";
        writer.key("schema").begin_object().field("type", json ? "object" : "string").end_object();
        json ? writer.key("example").raw(route.raw_example) : writer.field("example", route.raw_example);
        writer.end_object().end_object().end_object();
    }
    write_responses(writer, route);
    writer.end_object();
}

}  // namespace

std::string openapi_document(std::span<const Route> routes, std::string_view version) {
    std::map<std::string_view, std::vector<const Route*>> by_path;
    for (const Route& route : routes) by_path[route.path].push_back(&route);
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().field("openapi", "3.1.0");
    writer.key("info").begin_object();
    writer.field("title", "Tidegate").field("version", version);
    writer.field("description", "AI decisions over HTTP, with an honest record of every answer.");
    writer.key("license").begin_object().field("name", "Apache-2.0").field("identifier", "Apache-2.0").end_object();
    writer.end_object();
    writer.key("paths").begin_object();
    for (const auto& [path, operations] : by_path) {
        writer.key(path).begin_object();
        for (const Route* route : operations) write_operation(writer, *route);
        writer.end_object();
    }
    writer.end_object();
    writer.key("components").begin_object().key("schemas").begin_object().key("Problem");
    problem_schema().write(writer);
    const auto other_shape = [&](ErrorShape shape, const Schema& schema) {
        if (std::ranges::find(routes, shape, &Route::errors) == routes.end()) return;
        writer.key(words_of(shape).first);
        schema.write(writer);
    };
    other_shape(ErrorShape::kInference, inference_error_schema());
    other_shape(ErrorShape::kOpenAi, openai_error_schema());
    other_shape(ErrorShape::kTextEmbeddings, embeddings_error_schema());
    writer.end_object().end_object().end_object();
    return out;
}

}  // namespace tidegate::pipeline
