// Route: one line of the table from which router, validation, OpenAPI, docs page, metric labels and the
// contract test are made. A service hands in its routes; nothing else needs to know of them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/points.h"
#include "http/message.h"
#include "pipeline/schema.h"

namespace tidegate::pipeline {

class Context;
/// Keeps the exchange alive as long as somebody may still answer it.
using ContextPtr = std::shared_ptr<Context>;
/// Answers through the Context, now or later, exactly once. A context that is dropped without an answer is
/// answered 500.
using Handler = std::function<void(const ContextPtr&)>;

/// Where the handler runs.
enum class Work : std::uint8_t {
    kInline,    // On the event loop: microseconds, no disk, no lock held by slow work.
    kCpu,       // On the pool with a thread a core: features, models, compression.
    kBlocking,  // On the pool for waiting: database reads, files.
};

/// Who may call.
enum class Access : std::uint8_t {
    kScoped,  // Whoever identity.required lets in, with one of the route's scopes (none: the family).
    kAdmin,   // An admin key, also where nobody else is asked for one.
    kOpen,    // Everybody; nobody is asked.
};

/// What the answer may be stored as, in the words of RFC 9111.
enum class CachePolicy : std::uint8_t {
    kNoStore,     // An answer about one caller's input: `Cache-Control: no-store`.
    kRevalidate,  // Same bytes until the binary changes: strong ETag, `Cache-Control: no-cache`.
};

/// That answers of a route may be kept and given again to whoever asks the same: method, path, query, body, tenant. Only those
/// with status 200. cache.answers changes it.
struct KeptAnswer {
    Duration ttl{};                 // 0: off.
    unsigned decimals = 0;          // Numbers of the body that agree to so many are one question; 0: exactly.
    bool shared = false;            // Tenants share answers.
    std::vector<std::string> tags;  // What the answer reads: `model:text_detector`.
    std::string version;            // Of what makes the answer: another one asks anew.
    /// The same where each request names what answers it. Empty: this one's answer is not kept. On the loop, so nothing slow. An
    /// answer is kept only when its decisions name this very version: what was reloaded in the meantime is not kept as the other.
    std::function<std::string(const Context&)> version_of;
};

/// When an answer that leaves a Decision may go out.
enum class AnswerAfter : std::uint8_t {
    kDurable,   // The Decision is durable. It cannot be made so: no answer, 503.
    kAccepted,  // The Decision waits its turn. It is lost after that: a gap in the log says so.
};

/// The error shape of the clients that call this family (API.md); written in problem.cpp.
enum class ErrorShape : std::uint8_t {
    kProblem,         // RFC 9457.
    kInference,       // Open Inference Protocol, KServe v1: `{"error": "text"}`.
    kOpenAi,          // `{"error": {"message", "type", "param", "code"}}`
    kTextEmbeddings,  // text-embeddings-inference: `{"error": "text", "error_type": "Validation"}`.
};

struct Parameter {
    std::string name;
    Schema schema;
    bool required = false;
};

struct Route {
    http::Method method = http::Method::kGet;
    std::string path;       // `/api/v1/analyze/evidence/{analysis_id}`
    std::string operation;  // `detect_text`: OpenAPI operationId and metric label.
    std::string family;     // `provenance`: OpenAPI tag.
    std::string summary;
    Work work = Work::kInline;
    std::optional<Schema> request;  // JSON body; none: the route takes no body.
    std::vector<Parameter> query;
    std::vector<Parameter> path_parameters;
    int answer_status = 200;  // Of the answer that `response` tells of: 202 where it says no more than that it is kept.
    Schema response = Schema::any();  // When it is JSON.
    std::string response_type = "application/json";
    Points spend_points;
    CachePolicy cache = CachePolicy::kNoStore;
    std::optional<KeptAnswer> keep;           // None: never kept, whatever the settings say.
    std::optional<AnswerAfter> answer_after;  // Absent: as the settings say.
    std::vector<std::string> scopes;          // Any of these lets a key in.
    ErrorShape errors = ErrorShape::kProblem;
    std::uint64_t body_bytes_max = 0;  // 0: no body.
    bool raw_body = false;             // Any body of any type, passed on unread; the query too.
    std::string example;      // A request body (or query) that works: shown in the docs, called by the contract test.
    std::string raw_type;     // With raw_body: the type that the route wants, for the docs; empty: any.
    std::string raw_example;  // Such a body.
    /// With raw_body: whether this request's body is streamed to the handler instead of gathered. Absent: gathered.
    std::function<bool(const http::RequestHead&)> streams_body;
    bool any_method = false;  // Every method not routed elsewhere, counted as `ANY`; `method` says nothing.
    Access access = Access::kScoped;
    Handler handler;
};

}  // namespace tidegate::pipeline
