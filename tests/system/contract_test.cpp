// The contract test: calls every route of the served OpenAPI document and holds the answers against its schemas.
#include <cctype>
#include <chrono>
#include <optional>

#include "base/strings.h"
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

bool is_event_stream(json::Value operation) {
    const auto answer = operation.find("responses")->find("200");
    return answer && answer->find("content") && answer->find("content")->find("text/event-stream");
}

class Contract : public ::testing::Test {
  protected:
    void SetUp() override {
        // With an admin key every route opens.
        const RunResult made =
            run_binary({"keys", "create", "--name", "contract", "--admin", "--json", "--data-dir", folder_.path()});
        ASSERT_EQ(made.status, 0) << made.error;
        key_ = {{"Authorization", "Bearer " + std::string(parse_json(made.out).root().find("key")->as_string())}};
        server_ = ServerProcess::start(folder_.path(), {"--privacy.keep_content=both", "--compliance.heartbeat_s=1"});
        ASSERT_NE(server_, nullptr);
        document_.emplace(parse_json(get(server_->port(), "/openapi.json").body));
        document_->root().find("paths")->each_member([&](std::string_view path, json::Value operations) {
            operations.each_member([&](std::string_view method, json::Value operation) {
                std::string upper(method);
                for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
                operations_.push_back({upper, std::string(path), operation});
            });
        });
        decide();
        reader_ = made_member("/api/users", R"({"username":"reader"})", "user_id");
        writer_ = made_member("/api/users", R"({"username":"writer"})", "user_id");
        for (const std::string& user : {reader_, writer_}) {
            const std::string body = R"({"amount":"5","reason":"for calls","user_id":")" + user + "\"}";
            EXPECT_EQ(post(server_->port(), "/tokens/award", body, key_).status, 200);
        }
    }
    /// One decision, so that lists are not empty; then waits until it is seen by what follows the log.
    void decide() {
        const RawResponse answer = post(server_->port(), "/api/v1/detect/text", text_body(kHumanText), key_);
        ASSERT_EQ(answer.status, 200) << answer.body;
        decision_ = parse_json(answer.body).root().find("analysis_id")->as_string();
        request_ = answer.header("x-request-id");
        const json::Document found = parse_json(get(server_->port(), "/api/compliance/request/" + request_, key_).body);
        found.root().find("results")->each([&](json::Value one) { input_ = one.find("input_hash")->as_string(); });
        // A checkpoint covers it after audit.checkpoint_interval_s; the drift watch looks on a thread of its own.
        EXPECT_TRUE(comes_true([&] { return ask("/api/compliance/receipt/" + decision_).status == 200; }));
        EXPECT_TRUE(comes_true(
            [&] { return parse_json(ask("/api/drift/statistics").body).root().find("total")->as_int() > 0; }));
    }
    template <class Question>
    static bool comes_true(const Question& question) {
        const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        while (!question()) {
            if (std::chrono::steady_clock::now() > give_up) return false;
            rest(std::chrono::milliseconds(20));
        }
        return true;
    }
    RawResponse ask(const std::string& target) const { return get(server_->port(), target, key_); }
    /// The id of something new: what was revoked or released cannot be so again.
    std::string made_id(const std::string& path, const std::string& body) const {
        const RawResponse made = post(server_->port(), path, body, key_);
        EXPECT_EQ(made.status, 200) << made.body;
        const json::Document document = parse_json(made.body);
        const auto id = document.root().find("id");
        return !id ? "" : id->kind() == json::Kind::kString ? std::string(id->as_string()) : to_text(*id);
    }
    /// That member of what the body makes.
    std::string made_member(const std::string& path, const std::string& body, std::string_view member) const {
        const RawResponse made = post(server_->port(), path, body, key_);
        EXPECT_EQ(made.status, 201) << made.body;
        const json::Document document = parse_json(made.body);
        const auto found = document.root().find(member);
        return found ? std::string(found->as_string()) : "";
    }
    std::string made_card(const std::string& user) const {
        return made_member(
            "/api/cards",
            R"({"title":"A card","body":"for a call","category":"PROGRAM","privacy_level":"IDEAS","user_id":")" + user +
                "\"}",
            "card_id");
    }
    std::string made_attribution() const {
        return made_member("/attributions",
                           R"({"attribution_type":"citation","source_card_id":")" + made_card(reader_) +
                               R"(","target_card_id":")" + made_card(writer_) + "\"}",
                           "attribution_id");
    }
    std::string made_content() const {
        const RawResponse made = post(server_->port(), "/api/contents",
                                      R"({"content_id":"for-a-call","title":"Tides","body":"The moon pulls the sea."})",
                                      {key_[0], {"Content-Type", "application/x-ndjson"}});
        EXPECT_EQ(made.status, 200) << made.body;
        return "for-a-call";
    }
    /// The document's examples name a user, another one and their cards; here they are.
    std::string filled(const Operation& operation, std::string text) const {
        if (!operation.path.contains("/cards") && !operation.path.contains("/tokens/") &&
            !operation.path.contains("/attributions") && operation.path != "/publish") {
            return text;
        }
        const auto put = [&](std::string_view word, const auto& make) {
            if (const std::size_t at = text.find(word); at != std::string::npos) {
                text.replace(at, word.size(), "\"" + make() + "\"");
            }
        };
        put(R"("ann")", [&] { return writer_; });
        put(R"("bob")", [&] { return reader_; });
        put(R"("card-1")", [&] { return made_card(reader_); });
        put(R"("card-2")", [&] { return made_card(writer_); });
        return text;
    }
    /// Of the recording that the document's own example holds.
    std::string made_session() const {
        for (const Operation& operation : operations_) {
            if (operation.method != "POST" || operation.path != "/api/v1/transcribe") continue;
            const RawResponse made = call(operation);
            EXPECT_EQ(made.status, 200) << made.body;
            const auto id = parse_json(made.body).root().find("session_id");
            return id ? std::string(id->as_string()) : "";
        }
        return "";
    }
    std::string id_for(const std::string& path) const {
        if (path.starts_with("/api/keys/")) return made_id("/api/keys", R"({"name":"for a call"})");
        if (path.starts_with("/api/v1/transcribe/")) return made_session();
        if (path.starts_with("/api/compliance/hold/")) return made_id("/api/compliance/hold", R"({"reason":"a call"})");
        if (path.starts_with("/api/v1/alerts/silences/")) {
            return made_id("/api/v1/alerts/silences", R"({"rule":"upstream_down","until":"2100-01-01T00:00:00Z"})");
        }
        return path.starts_with("/api/drift/alert/") ? "1" : decision_;
    }
    /// There is none on a new server: what such a route answers well is compliance_drift_test's and alerts_test's.
    static bool names_an_alert_or_a_job(const std::string& path) {
        return path.starts_with("/api/drift/alert/") || path.starts_with("/api/v1/alerts/{id}") ||
               path.starts_with("/api/v1/jobs/{id}");
    }
    /// There is none on a new server either: what these routes answer well is inference_test's. What lies in the folder decides
    /// what is loaded (models.mode), so nobody may say so.
    static bool wants_a_model(const std::string& path) {
        for (const char* text : {"/predict", "/rerank", "/tokenize"}) {
            if (path == text) return true;
        }
        return path.find("{model}") != std::string::npos;
    }
    /// A binary that was built without npm says so there.
    static bool is_the_dashboard(const std::string& path) { return path.starts_with("/dashboard"); }
    /// A build with a sanitizer has that one's allocator, which is not sampled.
    static bool lacks_a_heap_profile(std::string_view path, int status) {
        return path == "/debug/pprof/heap" && status == 501;
    }
    static int good_status(const Operation& operation) {
        const json::Value responses = *operation.value.find("responses");
        for (const int status : {302, 202, 201}) {
            if (responses.find(std::to_string(status))) return status;
        }
        return 200;
    }
    static int status_without_models(const std::string& path) {
        return path.ends_with("/load") || path.ends_with("/unload") ? 409 : 404;
    }
    /// An error in the shape that the document declares for the operation's family.
    static void expect_error(const Operation& operation, const RawResponse& response, int status) {
        ASSERT_TRUE(response.complete);
        EXPECT_EQ(response.status, status) << response.body;
        EXPECT_FALSE(response.header("x-request-id").empty());
        if (is_a_problem(operation)) return expect_problem(response, status);
        EXPECT_TRUE(response.header("content-type").starts_with("application/json"));
        const json::Document document = parse_json(response.body);
        const auto error = document.root().find("error");
        ASSERT_TRUE(error.has_value()) << response.body;
        if (error->kind() == json::Kind::kObject) {
            for (const char* member : {"message", "type", "param", "code"}) EXPECT_TRUE(error->find(member)) << member;
        } else {
            EXPECT_FALSE(error->as_string().empty());
        }
    }
    static bool is_a_problem(const Operation& operation) {
        bool other = false;
        operation.value.find("responses")->each_member([&](std::string_view status, json::Value answer) {
            if (!status.starts_with('4')) return;
            other = other || !answer.find("content")->find("application/problem+json");
        });
        return !other && !operation.path.starts_with("/v1/") && !operation.path.starts_with("/v2");
    }
    /// The path with something that exists in the place of each `{...}`.
    std::string path_of(const Operation& operation) const {
        std::string path = operation.path;
        const auto put = [&](std::string_view hole, const std::string& value) {
            if (const std::size_t at = path.find(hole); at != std::string::npos) path.replace(at, hole.size(), value);
        };
        if (path.find("{id}") != std::string::npos) put("{id}", id_for(path));
        put("{key}", "GET%2520nowhere");
        put("{name}", path.starts_with("/api/v1/models/") ? "risk_scorer" : "text_detector");
        put("{model}", "nothing");
        put("{version}", "1");
        put("{request_id}", request_);
        put("{input_hash}", input_);
        if (path.contains("{card_id}")) put("{card_id}", made_card(writer_));
        if (path.contains("{attribution_id}")) put("{attribution_id}", made_attribution());
        if (path.contains("{content_id}")) put("{content_id}", made_content());
        put("{user_id}", writer_);
        put("{path...}", is_the_dashboard(path) ? "index.html" : "tile/0/000.p/1");
        EXPECT_EQ(path.find('{'), std::string::npos) << "what is to stand in " << path << "?";
        return path;
    }
    std::string target_of(const Operation& operation) const {
        const auto query = operation.value.find("x-example-query");
        return path_of(operation) + (query ? "?" + std::string(query->as_string()) : "");
    }
    /// The only media type of the operation's body with what stands there; nothing where it takes none.
    static std::optional<std::pair<std::string, json::Value>> body_of(const Operation& operation) {
        const auto body = operation.value.find("requestBody");
        if (!body) return std::nullopt;
        std::optional<std::pair<std::string, json::Value>> found;
        body->find("content")->each_member(
            [&](std::string_view type, json::Value media) { found.emplace(std::string(type), media); });
        return found;
    }
    RawResponse call(const Operation& operation) const {
        const std::string target = target_of(operation);
        std::string text;
        HeaderList headers = key_;
        if (const auto body = body_of(operation)) {
            const auto example = body->second.find("example");
            EXPECT_TRUE(example.has_value()) << operation.path << " has no example";
            // JSON as it stands; of another type its text.
            if (example)
                text = body->first == "application/json" ? filled(operation, to_text(*example))
                                                         : std::string(example->as_string());
            headers.emplace_back("Content-Type", body->first);
        }
        RawClient client(server_->port());
        return client.ask(request_text(operation.method, target, text, headers));
    }
    /// An event stream does not end: its head, and something after it within two heartbeats.
    void expect_events(const Operation& operation) const {
        RawClient client(server_->port());
        ASSERT_TRUE(client.send(request_text(operation.method, target_of(operation), {}, key_)));
        ASSERT_TRUE(client.wait_for("\n\n")) << "no event and no comment";
        const std::string text = client.receive();
        EXPECT_TRUE(text.starts_with("HTTP/1.1 200 ")) << text;
        EXPECT_NE(text.find("Content-Type: text/event-stream\r\n"), std::string::npos) << text;
        EXPECT_NE(text.find("X-Request-Id: "), std::string::npos) << text;
    }

    TemporaryFolder folder_;
    HeaderList key_;
    std::string decision_;
    std::string request_;
    std::string input_;
    std::string reader_, writer_;  // Users of the content service.
    std::unique_ptr<ServerProcess> server_;
    std::optional<json::Document> document_;
    std::vector<Operation> operations_;
};

TEST_F(Contract, EveryRouteAnswersItsExampleAsItsSchemaSays) {
    ASSERT_GE(operations_.size(), 55U);
    for (const Operation& operation : operations_) {
        SCOPED_TRACE(operation.method + " " + operation.path);
        if (is_event_stream(operation.value) && operation.method == "GET") {
            expect_events(operation);
            continue;
        }
        const RawResponse response = call(operation);
        ASSERT_TRUE(response.complete);
        EXPECT_FALSE(response.header("x-request-id").empty());
        if (names_an_alert_or_a_job(operation.path)) {
            expect_problem(response, 404, "not_found");
            continue;
        }
        if (wants_a_model(operation.path)) {
            expect_error(operation, response, status_without_models(operation.path));
            continue;
        }
        if (is_the_dashboard(operation.path) && response.status == 503) continue;
        if (lacks_a_heap_profile(operation.path, response.status)) continue;
        const int good = good_status(operation);
        ASSERT_EQ(response.status, good) << response.body;
        if (good == 302) continue;
        json::Value content = *operation.value.find("responses")->find(std::to_string(good))->find("content");
        content.each_member([&](std::string_view type, json::Value media) {
            EXPECT_TRUE(response.header("content-type").starts_with(type)) << response.header("content-type");
            if (type == "application/x-ndjson") {
                for (const std::string_view line : split(response.body, '\n')) {
                    if (line.empty()) continue;
                    EXPECT_EQ(parse_json(line).root().kind(), json::Kind::kObject) << line;
                }
            }
            if (type != "application/json") return;
            const json::Document answer = parse_json(response.body);
            EXPECT_EQ(misfit(*media.find("schema"), answer.root(), "$"), "");
        });
    }
}

TEST_F(Contract, EveryRouteWithABodyAnswersAnEmptyObjectOrRefusesItByName) {
    int refused = 0;
    int answered = 0;
    for (const Operation& operation : operations_) {
        const auto body = body_of(operation);
        if (!body) continue;
        SCOPED_TRACE(operation.path);
        HeaderList headers = key_;
        headers.emplace_back("Content-Type", body->first);
        RawClient client(server_->port());
        const RawResponse response = client.ask(request_text(operation.method, target_of(operation), "{}", headers));
        if (body->first.starts_with("multipart/")) {
            EXPECT_EQ(response.status, 400) << response.body;
            continue;
        }
        if (body->first != "application/json") {
            // A stream answers each line for itself.
            EXPECT_EQ(response.status, 200) << response.body;
            EXPECT_TRUE(response.body.contains(R"("outcome":"invalid","errors":[{"field":")") ||
                        response.body.contains(R"("errors":[{"line":1,"field":")"))
                << response.body;
            continue;
        }
        // Members first, then the model; a body of tensors belongs to its model, so there it is the other way.
        if (wants_a_model(operation.path) && response.status != 422) {
            expect_error(operation, response, status_without_models(operation.path));
            continue;
        }
        if (!is_a_problem(operation)) {
            if (response.status != 200) expect_error(operation, response, 422);
            continue;
        }
        const bool needs_members = body->second.find("schema")->find("required").has_value();
        // Where no member alone is required, the route may still want one of several, and says which.
        if (needs_members || response.status == 422) {
            ++refused;
            expect_problem(response, 422, "validation_failed");
            EXPECT_GT(parse_json(response.body).root().find("errors")->size(), 0U);
        } else if (names_an_alert_or_a_job(operation.path)) {
            expect_problem(response, 404, "not_found");
        } else {
            ++answered;
            EXPECT_EQ(response.status, 200) << response.body;
        }
    }
    EXPECT_GE(refused, 12);
    EXPECT_GE(answered, 4);
}

TEST_F(Contract, EveryRouteTellsItsMethods) {
    for (const Operation& operation : operations_) {
        SCOPED_TRACE(operation.path);
        const bool takes_patch = std::ranges::any_of(operations_, [&](const Operation& other) {
            return other.path == operation.path && other.method == "PATCH";
        });
        RawClient client(server_->port());
        const RawResponse response = client.ask(request_text(takes_patch ? "PUT" : "PATCH", path_of(operation)));
        if (operation.path.starts_with("/v1/") || operation.path.starts_with("/v2")) {
            expect_error(operation, response, 405);
        } else {
            expect_problem(response, 405, "method_not_allowed");
        }
        EXPECT_NE(response.header("allow").find(operation.method), std::string::npos);
    }
}

TEST_F(Contract, EveryGetAnswersHeadWithTheSameHeadersAndNoBody) {
    for (const Operation& operation : operations_) {
        if (operation.method != "GET") continue;
        SCOPED_TRACE(operation.path);
        const std::string target = target_of(operation);
        RawClient client(server_->port());
        const RawResponse head = client.ask(request_text("HEAD", target, {}, key_));
        if (is_the_dashboard(operation.path) && head.status == 503) continue;
        if (lacks_a_heap_profile(operation.path, head.status)) continue;
        const bool absent = wants_a_model(operation.path) || names_an_alert_or_a_job(operation.path);
        EXPECT_EQ(head.status, absent ? 404 : good_status(operation));
        // The length is known, or the answer is a stream.
        EXPECT_NE(head.header("content-length").empty(), head.header("transfer-encoding").empty());
        EXPECT_EQ(client.ask(request_text("GET", "/live")).status, 200) << "the connection is out of step";
        if (is_event_stream(operation.value)) continue;
        const RawResponse whole = client.ask(request_text("GET", target, {}, key_));
        EXPECT_EQ(head.header("content-type"), whole.header("content-type"));
    }
}

}  // namespace
}  // namespace tidegate::testing
