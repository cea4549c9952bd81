#include "services/compliance/proof_routes.h"

#include <atomic>

#include "audit/proof/tiles.h"
#include "audit/verify/verify.h"
#include "base/strings.h"
#include "services/compliance/reading.h"

namespace tidegate::compliance {
namespace {

namespace proof = audit::proof;
namespace verify = audit::verify;
using audit::keep::SignedHead;
using pipeline::ContextPtr;
using pipeline::optional;
using pipeline::required;
using pipeline::Route;
using pipeline::Schema;

// A tile's bytes never change; a key was asked for, so no shared cache may keep it.
constexpr std::string_view kImmutable = "private, max-age=31536000, immutable";

std::unexpected<Error> not_yet() {
    return fail(ErrorCode::kUnavailable, "No checkpoint covers this yet; one is signed within the next seconds.");
}

http::Response response_of(std::string_view type, std::string body, std::string_view caching = "no-store") {
    http::Response response;
    response.headers.add("Content-Type", type);
    response.headers.add("Cache-Control", caching);
    response.body = std::move(body);
    return response;
}

void write_path(JsonWriter& writer, std::string_view name, const proof::HashPath& path) {
    writer.key(name).begin_array();
    for (const Sha256& hash : path) writer.value(to_hex(hash));
    writer.end_array();
}

void write_head(JsonWriter& writer, const SignedHead& head) {
    writer.field("size", head.head.size).field("root", to_hex(head.head.root)).key("time");
    head.time == 0 ? writer.null() : writer.value(format_rfc3339(head.time));
    writer.field("checkpoint", head.note);
}

void answer_checkpoint(const ContextPtr& context, const ProofParts& parts) {
    const auto head = parts.proofs.latest();
    if (head == nullptr) return context->fail(not_yet().error());
    if (context->query("format").value_or("text") == "text") {
        return context->reply(response_of("text/plain; charset=utf-8", head->note));
    }
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("origin", parts.proofs.verifier().name());
    writer.field("verifier_key", parts.proofs.verifier().to_text());
    write_head(writer, *head);
    writer.end_object();
    context->reply_json(std::move(body));
}

bool sees_all(const ContextPtr& context, const ProofParts& parts) {
    return reach_of(context->caller().get(), parts.loopback_without_keys).all;
}

/// Records as they are, whoever's: for auditors, and on record.
void answer_entries(const ContextPtr& context, const proof::Tile& tile, const ProofParts& parts) {
    if (!sees_all(context, parts)) {
        return context->fail({ErrorCode::kPermissionDenied,
                              "Records of every tenant need compliance:audit and a key without a tenant."});
    }
    const std::uint64_t first = tile.index * proof::kTileWidth;
    std::vector<std::string> records;
    const auto scanned =
        parts.reader.scan(first, first + tile.width, [&](std::uint64_t, audit::segments::Bytes record) {
            records.emplace_back(record.begin(), record.end());
            return true;
        });
    if (!scanned) return context->fail(scanned.error());
    if (records.size() != tile.width) return context->fail({ErrorCode::kNotFound, "There is no such tile."});
    const std::vector<std::string_view> views(records.begin(), records.end());
    auto bundle = proof::entry_bundle(views);
    if (!bundle) return context->fail(bundle.error());
    std::string what;
    JsonWriter(what).begin_object().field("first_leaf", first).field("count", records.size()).end_object();
    std::vector<audit::Decision> events;
    events.push_back(access_event(*context, "access/entries", std::move(what)));
    context->send_recorded(std::move(events), response_of("application/octet-stream", *std::move(bundle)));
}

void answer_tile(const ContextPtr& context, const ProofParts& parts) {
    const std::string_view name = context->path_parameter("path");
    if (name == "checkpoint") return answer_checkpoint(context, parts);
    const auto path = proof::parse_tile_path(name);
    if (!path) return context->fail({ErrorCode::kNotFound, "There is no such tile."});
    if (path->entries) return answer_entries(context, path->tile, parts);
    auto bytes = parts.proofs.tiles().read(path->tile);
    if (!bytes) return context->fail(bytes.error());
    context->reply(response_of("application/octet-stream", *std::move(bytes), kImmutable));
}

/// The decision of that id, if the caller may see it. Another tenant's looks like one that does not exist.
Result<audit::segments::Record> find_record(const ContextPtr& context, const ProofParts& parts) {
    const Reach reach = reach_of(context->caller().get(), parts.loopback_without_keys);
    const auto id = parse_uuid(context->path_parameter("id"));
    const auto none = [] { return fail(ErrorCode::kNotFound, "No such decision is on record."); };
    if (!id) return none();
    TG_TRY(auto found, parts.reader.find_id(*id));
    if (!found || (!reach.all && found->decision.tenant != reach.tenant)) return none();
    return *std::move(found);
}

void answer_inclusion(const ContextPtr& context, const ProofParts& parts) {
    const auto record = find_record(context, parts);
    if (!record) return context->fail(record.error());
    const auto proven = parts.proofs.prove(record->leaf);
    if (!proven) return context->fail(proven.error());
    Sha256 leaf_hash{};
    if (const auto tile = parts.proofs.tiles().subtree(0, record->leaf)) leaf_hash = *tile;
    if (!proof::inclusion_holds(leaf_hash, record->leaf, proven->head->head, proven->path)) {
        return context->fail({ErrorCode::kDataLoss, "The proof does not hold; verify the log."});
    }
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("id", to_string(record->decision.id)).field("leaf", record->leaf);
    writer.field("leaf_hash", to_hex(leaf_hash));
    write_path(writer, "path", proven->path);
    write_head(writer, *proven->head);
    writer.end_object();
    context->reply_json(std::move(body));
}

void answer_consistency(const ContextPtr& context, const ProofParts& parts) {
    const auto head = parts.proofs.latest();
    if (head == nullptr) return context->fail(not_yet().error());
    const auto first = static_cast<std::uint64_t>(context->query_int("first").value_or(0));
    const auto given = context->query_int("second");
    const std::uint64_t second = given ? static_cast<std::uint64_t>(*given) : head->head.size;
    if (second > head->head.size) {
        return context->fail({{"second", "is more than the newest checkpoint covers", "too_large"}});
    }
    if (first > second) return context->fail({{"first", "must not be over `second`", "too_large"}});
    const auto path = proof::consistency_proof(parts.proofs.tiles(), first, second);
    if (!path) return context->fail(path.error());
    const auto first_root = proof::root_of(parts.proofs.tiles(), first);
    if (!first_root) return context->fail(first_root.error());
    const auto second_root = proof::root_of(parts.proofs.tiles(), second);
    if (!second_root) return context->fail(second_root.error());
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("first", first).field("first_root", to_hex(*first_root));
    writer.field("second", second).field("second_root", to_hex(*second_root));
    write_path(writer, "path", *path);
    writer.field("checkpoint", head->note).end_object();
    context->reply_json(std::move(body));
}

void answer_receipt(const ContextPtr& context, const ProofParts& parts) {
    const auto record = find_record(context, parts);
    if (!record) return context->fail(record.error());
    const auto receipt = parts.proofs.receipt(*record);
    if (!receipt) return context->fail(receipt.error());
    std::string what;
    JsonWriter(what).begin_object().field("id", to_string(record->decision.id)).end_object();
    std::vector<audit::Decision> events;
    events.push_back(access_event(*context, "access/receipt", std::move(what)));
    context->send_recorded(std::move(events), response_of("text/plain; charset=utf-8", proof::to_text(*receipt)));
}

void verify_receipt(const ContextPtr& context, std::string_view text, const ProofParts& parts) {
    const auto receipt = proof::parse_receipt(text);
    const auto checkpoint = receipt ? proof::check_receipt(*receipt, {parts.proofs.verifier()})
                                    : Result<proof::Checkpoint>(std::unexpected(receipt.error()));
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("holds", checkpoint.has_value()).key("why");
    checkpoint ? writer.null() : writer.value(checkpoint.error().message);
    if (checkpoint) {
        writer.field("leaf", receipt->leaf).field("size", checkpoint->head.size);
        writer.field("root", to_hex(checkpoint->head.root));
        const std::string& record = receipt->record;
        const auto view = audit::segments::decode(audit::segments::bytes_of(record));
        if (view) {
            writer.field("recorded", format_rfc3339(view->recorded)).key("decision");
            audit::append_json(writer, audit::segments::to_decision(*view));
        }
    }
    writer.end_object();
    context->reply_json(std::move(body));
}

/// The log, read as any outsider would: by the code that shares nothing with what wrote it.
void verify_log(const ContextPtr& context, const ProofParts& parts, std::atomic<bool>& busy) {
    if (!sees_all(context, parts)) {
        return context->fail({ErrorCode::kPermissionDenied,
                              "The whole log is verified for keys with compliance:audit and without a tenant."});
    }
    if (busy.exchange(true)) {
        return context->fail({ErrorCode::kUnavailable, "The log is being verified already; try again later."});
    }
    Result<verify::Report> report = fail(ErrorCode::kInternal, "");
    if (auto keys = verify::parse_keys(parts.proofs.verifier().to_text()); !keys) {
        report = std::unexpected(keys.error());
    } else {
        report = parts.verify_log(*std::move(keys));
    }
    busy.store(false);
    if (!report) return context->fail(report.error());
    context->reply_json(verify::to_json(*report));
}

void answer_verify(const ContextPtr& context, const ProofParts& parts, std::atomic<bool>& busy) {
    const json::Value body = context->body();
    const auto receipt = body.find("receipt");
    const auto log = body.find("log");
    const bool whole = log && log->as_bool();
    if (receipt.has_value() == whole) {
        return context->fail({{"receipt", "give either a receipt or `log`: true", "missing"}});
    }
    if (whole) return verify_log(context, parts, busy);
    verify_receipt(context, receipt->as_string(), parts);
}

Route begin_proof_route(http::Method method, std::string path, std::string operation, std::string summary) {
    Route route;
    route.method = method;
    route.path = std::move(path);
    route.operation = std::move(operation);
    route.family = "compliance";
    route.summary = std::move(summary);
    route.work = pipeline::Work::kBlocking;
    route.scopes = kReadScopes;
    if (route.path.find("{id}") != std::string::npos) {
        route.path_parameters = {{.name = "id", .schema = Schema::string().format("uuid"), .required = true}};
    }
    return route;
}

Schema hashes(std::string doc) {
    return Schema::array(Schema::string()).doc(std::move(doc));
}

Route consistency_route(const ProofParts& parts) {
    Route route = begin_proof_route(http::Method::kGet, "/api/compliance/proof/consistency", "get_consistency_proof",
                                    "That the log of one size is the beginning of the log of another.");
    route.query = {{.name = "first", .schema = Schema::integer().range(0, 9e15).doc("Leaves; default 0.")},
                   {.name = "second",
                    .schema = Schema::integer().range(0, 9e15).doc("Leaves; default: the newest checkpoint's.")}};
    route.response = Schema::object({required("first", Schema::integer()), required("first_root", Schema::string()),
                                     required("second", Schema::integer()), required("second_root", Schema::string()),
                                     required("path", hashes("RFC 6962 PROOF(first, D[second]), in hex.")),
                                     required("checkpoint", Schema::string())});
    route.example = "first=0";
    route.handler = [parts](const ContextPtr& context) { answer_consistency(context, parts); };
    return route;
}

Route inclusion_route(const ProofParts& parts) {
    Route route = begin_proof_route(http::Method::kGet, "/api/compliance/proof/inclusion/{id}", "get_inclusion_proof",
                                    "That a decision is in the log, under the newest checkpoint.");
    route.response = Schema::object(
        {required("id", Schema::string()), required("leaf", Schema::integer()), required("leaf_hash", Schema::string()),
         required("path", hashes("RFC 6962 PATH(leaf, D[size]), in hex.")), required("size", Schema::integer()),
         required("root", Schema::string()), required("checkpoint", Schema::string())});
    route.handler = [parts](const ContextPtr& context) { answer_inclusion(context, parts); };
    return route;
}

Route verify_route(const ProofParts& parts) {
    Route route =
        begin_proof_route(http::Method::kPost, "/api/compliance/verify", "verify_record",
                          "Checks a receipt, or reads the whole log and says whether it is sound and complete.");
    route.request =
        Schema::object({optional("receipt", Schema::string().size(1, proof::Receipt::kBytesMax).doc("Its text.")),
                        optional("log", Schema::boolean().doc("True: the log itself."))});
    route.body_bytes_max = 2 * proof::Receipt::kBytesMax;
    route.example = R"({"log":true})";
    const auto busy = std::make_shared<std::atomic<bool>>(false);
    route.handler = [parts, busy](const ContextPtr& context) { answer_verify(context, parts, *busy); };
    return route;
}

}  // namespace

void register_proof_routes(std::vector<Route>& routes, const ProofParts& parts) {
    Route checkpoint = begin_proof_route(http::Method::kGet, "/api/compliance/checkpoint", "get_checkpoint",
                                         "The newest signed checkpoint (C2SP tlog-checkpoint).");
    checkpoint.query = {{.name = "format", .schema = Schema::string().one_of({"text", "json"})}};
    checkpoint.response_type = "text/plain";
    checkpoint.example = "format=text";
    checkpoint.handler = [parts](const ContextPtr& context) { answer_checkpoint(context, parts); };
    routes.push_back(std::move(checkpoint));

    Route tiles = begin_proof_route(http::Method::kGet, "/api/compliance/tiles/{path...}", "get_tile",
                                    "Tiles of the tree (C2SP tlog-tiles): `checkpoint`, `tile/L/N`, `tile/entries/N`.");
    tiles.path_parameters = {{.name = "path", .schema = Schema::string().size(1, 128), .required = true}};
    tiles.response_type = "application/octet-stream";
    tiles.handler = [parts](const ContextPtr& context) { answer_tile(context, parts); };
    routes.push_back(std::move(tiles));

    Route receipt = begin_proof_route(http::Method::kGet, "/api/compliance/receipt/{id}", "get_receipt",
                                      "Everything that proves a decision to whoever has the log's public key.");
    receipt.response_type = "text/plain";
    receipt.handler = [parts](const ContextPtr& context) { answer_receipt(context, parts); };
    routes.push_back(std::move(receipt));

    routes.push_back(inclusion_route(parts));
    routes.push_back(consistency_route(parts));
    routes.push_back(verify_route(parts));
}

}  // namespace tidegate::compliance
