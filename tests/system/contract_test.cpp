// The contract test: calls every route of the served OpenAPI document and holds the answers against its schemas.
#include <cctype>
#include <optional>

#include "system/client.h"

namespace tidegate::testing {
namespace {

/// Where `value` breaks `schema` (the subset of JSON Schema that our documents use); empty when it fits.
std::string misfit(json::Value schema, json::Value value, const std::string& path);

bool has_type(std::string_view type, json::Value value) {
    using json::Kind;
    switch (value.kind()) {
        case Kind::kNull:
            return type == "null";
        case Kind::kBool:
            return type == "boolean";
        case Kind::kInteger:
        case Kind::kUnsigned:
            return type == "integer" || type == "number";
        case Kind::kDouble:
            return type == "number";
        case Kind::kString:
            return type == "string";
        case Kind::kArray:
            return type == "array";
        case Kind::kObject:
            return type == "object";
    }
    return false;
}

std::string misfit_type(json::Value schema, json::Value value, const std::string& path) {
    const auto type = schema.find("type");
    if (!type) return "";
    bool fits = false;
    if (type->kind() == json::Kind::kArray) {
        type->each([&](json::Value one) { fits = fits || has_type(one.as_string(), value); });
    } else {
        fits = has_type(type->as_string(), value);
    }
    return fits ? "" : path + " is of the wrong type: " + to_text(value).substr(0, 80);
}

std::string misfit_object(json::Value schema, json::Value value, const std::string& path) {
    std::string found;
    if (const auto required = schema.find("required")) {
        required->each([&](json::Value name) {
            if (!value.find(name.as_string())) found = path + "." + std::string(name.as_string()) + " is missing";
        });
    }
    if (const auto properties = schema.find("properties")) {
        value.each_member([&](std::string_view name, json::Value member) {
            const auto declared = properties->find(name);
            if (declared && found.empty()) found = misfit(*declared, member, path + "." + std::string(name));
        });
    }
    return found;
}

std::string misfit(json::Value schema, json::Value value, const std::string& path) {
    if (const std::string found = misfit_type(schema, value, path); !found.empty()) return found;
    if (value.is_number()) {
        const auto least = schema.find("minimum");
        const auto most = schema.find("maximum");
        if ((least && value.as_double() < least->as_double()) || (most && value.as_double() > most->as_double()))
            return path + " is out of range";
    }
    if (value.kind() == json::Kind::kString && schema.find("enum")) {
        bool listed = false;
        schema.find("enum")->each([&](json::Value word) { listed = listed || word.as_string() == value.as_string(); });
        if (!listed) return path + " is not among the words of its schema";
    }
    if (value.kind() == json::Kind::kObject) return misfit_object(schema, value, path);
    std::string found;
    if (value.kind() == json::Kind::kArray && schema.find("items")) {
        value.each([&](json::Value item) {
            if (found.empty()) found = misfit(*schema.find("items"), item, path + "[]");
        });
    }
    return found;
}

struct Operation {
    std::string method;
    std::string path;
    json::Value value;
};

class Contract : public ::testing::Test {
  protected:
    void SetUp() override {
        // With an admin key every route opens.
        const RunResult made =
            run_binary({"keys", "create", "--name", "contract", "--admin", "--json", "--data-dir", folder_.path()});
        ASSERT_EQ(made.status, 0) << made.error;
        key_ = {{"Authorization", "Bearer " + std::string(parse_json(made.out).root().find("key")->as_string())}};
        server_ = ServerProcess::start(folder_.path());
        ASSERT_NE(server_, nullptr);
        document_.emplace(parse_json(get(server_->port(), "/openapi.json").body));
        document_->root().find("paths")->each_member([&](std::string_view path, json::Value operations) {
            operations.each_member([&](std::string_view method, json::Value operation) {
                std::string upper(method);
                for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
                operations_.push_back({upper, std::string(path), operation});
            });
        });
        // So that lists are not empty.
        post(server_->port(), "/api/v1/detect/text", text_body(kHumanText));
    }
    /// The path with something that exists in the place of each `{...}`.
    std::string path_of(const Operation& operation) const {
        std::string path = operation.path;
        const auto put = [&](std::string_view hole, std::string_view value) {
            if (const std::size_t at = path.find(hole); at != std::string::npos) path.replace(at, hole.size(), value);
        };
        if (path.find("{id}") != std::string::npos) {
            // A key of its own for each call: one that was revoked cannot be rotated.
            const RawResponse made = post(server_->port(), "/api/keys", R"({"name":"for a call"})", key_);
            put("{id}", parse_json(made.body).root().find("id")->as_string());
        }
        put("{key}", "GET%2520nowhere");
        put("{name}", "text_detector");
        return path;
    }
    RawResponse call(const Operation& operation) const {
        const auto body = operation.value.find("requestBody");
        const auto query = operation.value.find("x-example-query");
        const std::string target = path_of(operation) + (query ? "?" + std::string(query->as_string()) : "");
        std::string text;
        HeaderList headers = key_;
        if (body) {
            const auto example = body->find("content")->find("application/json")->find("example");
            EXPECT_TRUE(example.has_value()) << operation.path << " has no example";
            if (example) text = to_text(*example);
            headers.emplace_back("Content-Type", "application/json");
        }
        RawClient client(server_->port());
        return client.ask(request_text(operation.method, target, text, headers));
    }

    TemporaryFolder folder_;
    HeaderList key_;
    std::unique_ptr<ServerProcess> server_;
    std::optional<json::Document> document_;
    std::vector<Operation> operations_;
};

TEST_F(Contract, EveryRouteAnswersItsExampleAsItsSchemaSays) {
    ASSERT_GE(operations_.size(), 14U);
    for (const Operation& operation : operations_) {
        SCOPED_TRACE(operation.method + " " + operation.path);
        const RawResponse response = call(operation);
        ASSERT_TRUE(response.complete);
        const json::Value responses = *operation.value.find("responses");
        const auto kept = responses.find("202");
        ASSERT_EQ(response.status, kept ? 202 : 200) << response.body;
        EXPECT_FALSE(response.header("x-request-id").empty());
        json::Value content = *(kept ? *kept : *responses.find("200")).find("content");
        content.each_member([&](std::string_view type, json::Value media) {
            EXPECT_EQ(response.header("content-type"), type);
            if (type != "application/json") return;
            const json::Document answer = parse_json(response.body);
            EXPECT_EQ(misfit(*media.find("schema"), answer.root(), "$"), "");
        });
    }
}

TEST_F(Contract, EveryRouteWithABodyRefusesAnEmptyObjectByName) {
    for (const Operation& operation : operations_) {
        if (!operation.value.find("requestBody") || operation.path.find('{') != std::string::npos) continue;
        if (operation.path == "/api/v1/cache/warmup") continue;  // All of it may be left out.
        SCOPED_TRACE(operation.path);
        const RawResponse response = post(server_->port(), operation.path, "{}", key_);
        expect_problem(response, 422, "validation_failed");
        EXPECT_GT(parse_json(response.body).root().find("errors")->size(), 0U);
    }
}

TEST_F(Contract, EveryRouteTellsItsMethods) {
    for (const Operation& operation : operations_) {
        SCOPED_TRACE(operation.path);
        RawClient client(server_->port());
        const RawResponse response = client.ask(request_text("PATCH", path_of(operation)));
        expect_problem(response, 405, "method_not_allowed");
        EXPECT_NE(response.header("allow").find(operation.method), std::string::npos);
    }
}

TEST_F(Contract, EveryGetAnswersHeadWithTheSameHeadersAndNoBody) {
    for (const Operation& operation : operations_) {
        if (operation.method != "GET" || operation.path.starts_with("/api/keys") ||
            operation.path.find('{') != std::string::npos || operation.path.ends_with("/export"))
            continue;
        SCOPED_TRACE(operation.path);
        RawClient client(server_->port());
        const RawResponse head = client.ask(request_text("HEAD", operation.path, {}, key_));
        EXPECT_EQ(head.status, 200);
        EXPECT_FALSE(head.header("content-length").empty());
        EXPECT_EQ(client.ask(request_text("GET", "/live")).status, 200) << "the connection is out of step";
    }
}

}  // namespace
}  // namespace tidegate::testing
