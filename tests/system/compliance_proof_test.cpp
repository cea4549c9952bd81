// From a decision to its receipt, over real requests and through the command line; and what an auditor finds when somebody has
// touched the record.
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <iterator>

#include "base/hash.h"
#include "base/strings.h"
#include "system/gate.h"

namespace tidegate::testing {
namespace {

namespace fs = std::filesystem;

class ComplianceProof : public GateFixture {
  protected:
    static constexpr const char* kQuick = "audit:\n  checkpoint_interval_s: 0.05\n  segment_bytes: 1MiB\n";

    std::string log_folder() const { return folder_.path() + "/audit"; }
    std::string write(const std::string& name, std::string_view text) const {
        const std::string path = folder_.path() + "/" + name;
        std::ofstream(path, std::ios::binary) << text;
        return path;
    }
    static std::string read(const std::string& path) {
        std::ifstream file(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    /// The id of a decision that the server has made.
    static std::string decide(std::uint16_t port, unsigned n, const HeaderList& headers = {}) {
        const std::string text = std::string(kHumanText) + " " + std::to_string(n);
        const RawResponse answer = post(port, "/api/v1/detect/text", text_body(text), headers);
        EXPECT_EQ(answer.status, 200) << answer.body;
        const json::Document document = parse_json(answer.body);
        const auto id = document.root().find("analysis_id");
        return id ? std::string(id->as_string()) : std::string();
    }
    /// Waits until a checkpoint covers the decision.
    static std::string receipt(std::uint16_t port, const std::string& id, const HeaderList& headers = {}) {
        const RawResponse answer = ask_until([&] { return get(port, "/api/compliance/receipt/" + id, headers); },
                                             [](const RawResponse& one) { return one.status != 503; });
        EXPECT_EQ(answer.status, 200) << answer.body;
        return answer.body;
    }
    /// The public key as the server gives it, in a file.
    std::string key_file(std::uint16_t port) const {
        const json::Document document = parse_json(get(port, "/api/compliance/checkpoint?format=json").body);
        return write("log.pub", std::string(document.root().find("verifier_key")->as_string()) + "\n");
    }
    RunResult verify(const std::string& key, const std::string& folder = {}) const {
        return run_binary({"audit", "verify", folder.empty() ? log_folder() : folder, "--key", key});
    }
};

TEST_F(ComplianceProof, ADecisionIsProvenFromTheServerAndFromItsFolder) {
    Process server = start(kQuick);
    ASSERT_NE(server, nullptr);
    std::vector<std::string> ids;
    for (unsigned n = 0; n < 40; ++n) ids.push_back(decide(server->port(), n));
    const std::string receipt_text = receipt(server->port(), ids[17]);
    const std::string key = key_file(server->port());
    const RunResult holds =
        run_binary({"audit", "receipt", write("one.receipt", receipt_text), "--key", key, "--json"});
    EXPECT_EQ(holds.status, 0) << holds.error;
    EXPECT_NE(holds.out.find(ids[17]), std::string::npos) << holds.out;
    // The same decision from the folder, while the server runs.
    const std::string proved = folder_.path() + "/two.receipt";
    const RunResult prove = run_binary({"audit", "prove", log_folder(), "--id", ids[17], "--out", proved});
    EXPECT_EQ(prove.status, 0) << prove.error;
    EXPECT_EQ(run_binary({"audit", "receipt", proved, "--key", key}).status, 0);
    const RunResult live = verify(key);
    EXPECT_NE(live.status, 1) << live.out << live.error;
    // By the server: a receipt that holds, one that was changed, the whole log.
    std::string body;
    JsonWriter(body).begin_object().field("receipt", receipt_text).end_object();
    RawResponse judged = post(server->port(), "/api/compliance/verify", body);
    ASSERT_EQ(judged.status, 200) << judged.body;
    EXPECT_TRUE(parse_json(judged.body).root().find("holds")->as_bool()) << judged.body;
    std::string changed = receipt_text;
    changed[changed.find("index ") + 6] ^= 1;
    body.clear();
    JsonWriter(body).begin_object().field("receipt", changed).end_object();
    judged = post(server->port(), "/api/compliance/verify", body);
    EXPECT_FALSE(parse_json(judged.body).root().find("holds")->as_bool()) << judged.body;
    judged = post(server->port(), "/api/compliance/verify", R"({"log":true})");
    ASSERT_EQ(judged.status, 200) << judged.body;
    const json::Document report = parse_json(judged.body);
    EXPECT_EQ(report.root().find("integrity")->as_string(), "sound") << judged.body;
    EXPECT_EQ(report.root().find("completeness")->as_string(), "complete") << judged.body;
}

TEST_F(ComplianceProof, CheckpointTilesAndProofsFitTogether) {
    Process server = start(kQuick);
    ASSERT_NE(server, nullptr);
    std::vector<std::string> ids;
    for (unsigned n = 0; n < 20; ++n) ids.push_back(decide(server->port(), n));
    receipt(server->port(), ids.back());
    const RawResponse checkpoint = get(server->port(), "/api/compliance/tiles/checkpoint");
    ASSERT_EQ(checkpoint.status, 200);
    EXPECT_TRUE(checkpoint.body.starts_with("tidegate/")) << checkpoint.body;
    const auto size = parse_u64(split(checkpoint.body, '\n')[1]);
    ASSERT_TRUE(size && *size >= 20 && *size < 256) << checkpoint.body;
    const std::string partial = "/api/compliance/tiles/tile/0/000.p/" + std::to_string(*size);
    const RawResponse tile = get(server->port(), partial);
    ASSERT_EQ(tile.status, 200) << tile.body;
    EXPECT_EQ(tile.body.size(), 32 * *size);
    EXPECT_NE(tile.header("cache-control").find("immutable"), std::string::npos);
    const RawResponse entries =
        get(server->port(), "/api/compliance/tiles/tile/entries/000.p/" + std::to_string(*size));
    ASSERT_EQ(entries.status, 200) << entries.body;
    // The leaf of the first entry is the first hash of the tile.
    const auto length = static_cast<std::size_t>(static_cast<std::uint8_t>(entries.body[0])) << 8U |
                        static_cast<std::uint8_t>(entries.body[1]);
    const Sha256 leaf = sha256(std::string(1, '\0') + entries.body.substr(2, length));
    EXPECT_EQ(to_hex(leaf), to_hex(reinterpret_cast<const std::uint8_t*>(tile.body.data()), 32));
    const RawResponse inclusion = get(server->port(), "/api/compliance/proof/inclusion/" + ids[3]);
    ASSERT_EQ(inclusion.status, 200) << inclusion.body;
    const json::Document proof = parse_json(inclusion.body);
    const auto at = static_cast<std::size_t>(proof.root().find("leaf")->as_int());
    EXPECT_EQ(proof.root().find("leaf_hash")->as_string(),
              to_hex(reinterpret_cast<const std::uint8_t*>(tile.body.data()) + 32 * at, 32));
    const RawResponse consistency =
        get(server->port(), "/api/compliance/proof/consistency?first=7&second=" + std::to_string(*size));
    EXPECT_EQ(consistency.status, 200) << consistency.body;
    expect_problem(get(server->port(), "/api/compliance/proof/consistency?first=9&second=8"), 422);
    expect_problem(get(server->port(), "/api/compliance/tiles/tile/0/00"), 404);
    expect_problem(get(server->port(), "/api/compliance/tiles/tile/0/999"), 404);
    expect_problem(get(server->port(), "/api/compliance/receipt/00000000-0000-7000-8000-000000000000"), 404);
}

TEST_F(ComplianceProof, AKilledServersLogVerifiesAndGoesOn) {
    Process server = start(kQuick);
    ASSERT_NE(server, nullptr);
    std::string id = decide(server->port(), 0);
    receipt(server->port(), id);
    const std::string key = key_file(server->port());
    for (unsigned n = 1; n < 60; ++n) decide(server->port(), n);
    server->kill_now();
    RunResult found = verify(key);
    EXPECT_EQ(found.status, 0) << found.out << found.error;
    server = start(kQuick);
    ASSERT_NE(server, nullptr);
    id = decide(server->port(), 61);
    const std::string text = receipt(server->port(), id);
    EXPECT_EQ(run_binary({"audit", "receipt", write("r", text), "--key", key}).status, 0);
    EXPECT_EQ(server->stop(SIGTERM, 60), 0);
    found = verify(key);
    EXPECT_EQ(found.status, 0) << found.out << found.error;
    // What was told at the end is under a checkpoint too.
    EXPECT_EQ(found.out.find("under no checkpoint"), std::string::npos) << found.out;
}

TEST_F(ComplianceProof, WhoeverTouchesTheFolderIsFound) {
    Process server = start(kQuick);
    ASSERT_NE(server, nullptr);
    std::string id;
    for (unsigned n = 0; n < 30; ++n) id = decide(server->port(), n);
    receipt(server->port(), id);
    const std::string key = key_file(server->port());
    ASSERT_EQ(server->stop(SIGTERM, 60), 0);
    ASSERT_EQ(verify(key).status, 0);
    const auto tampered = [&](const std::string& name, auto&& change) {
        const std::string folder = folder_.path() + "/" + name;
        fs::copy(log_folder(), folder, fs::copy_options::recursive);
        change(folder);
        const RunResult found = verify(key, folder);
        EXPECT_EQ(found.status, 1) << name << ": " << found.out << found.error;
    };
    const std::string first = "/000000000001.segment";
    tampered("flipped", [&](const std::string& folder) {
        std::string bytes = read(folder + first);
        bytes[4096 + 400] = static_cast<char>(bytes[4096 + 400] ^ 4);
        std::ofstream(folder + first, std::ios::binary) << bytes;
    });
    tampered("cut", [&](const std::string& folder) {
        std::string bytes = read(folder + first);
        std::fill(bytes.begin() + 8 * 4096, bytes.end(), '\0');
        std::ofstream(folder + first, std::ios::binary) << bytes;
    });
    tampered("gone", [&](const std::string& folder) { fs::remove(folder + first); });
    tampered("forged", [&](const std::string& folder) {
        std::string text = read(folder + "/checkpoints");
        const std::size_t at = text.rfind("\ntime ") + 6;
        text[at] = text[at] == '9' ? '8' : '9';
        std::ofstream(folder + "/checkpoints", std::ios::binary) << text;
    });
}

TEST_F(ComplianceProof, TailAndExportReadTheFolderOfARunningServer) {
    Process server = start(kQuick);
    ASSERT_NE(server, nullptr);
    std::vector<std::string> ids;
    for (unsigned n = 0; n < 15; ++n) ids.push_back(decide(server->port(), n));
    const RunResult tail = run_binary({"audit", "tail", log_folder(), "-n", "5"});
    ASSERT_EQ(tail.status, 0) << tail.error;
    EXPECT_NE(tail.out.find(ids[14]), std::string::npos) << tail.out;
    EXPECT_EQ(tail.out.find(ids[3]), std::string::npos);
    const std::string out = folder_.path() + "/all.csv";
    const RunResult csv = run_binary({"audit", "export", log_folder(), "--out", out, "--format", "csv"});
    ASSERT_EQ(csv.status, 0) << csv.error;
    const std::string rows = read(out);
    for (const std::string& id : ids) EXPECT_NE(rows.find(id), std::string::npos);
    const std::string some = folder_.path() + "/some.ndjson";
    const RunResult part =
        run_binary({"audit", "export", log_folder(), "--out", some, "--from-leaf", "2", "--to-leaf", "4"});
    ASSERT_EQ(part.status, 0) << part.error;
    const std::string lines = read(some);
    EXPECT_EQ(std::ranges::count(lines, '\n'), 2);
    EXPECT_TRUE(parse_json(lines.substr(0, lines.find('\n'))).root().find("leaf")->as_int() == 2) << lines;
    // A time before the first decision: an empty file, not an error.
    EXPECT_EQ(run_binary({"audit", "export", log_folder(), "--out", some, "--to", "2020-01-01T00:00:00Z"}).status, 0);
    EXPECT_EQ(fs::file_size(some), 0U);
    EXPECT_EQ(run_binary({"audit", "tail", folder_.path() + "/nothing"}).status, 1);
    EXPECT_EQ(run_binary({"audit", "tail", log_folder(), "-n", "x"}).status, 2);
    EXPECT_EQ(run_binary({"audit", "export", log_folder()}).status, 2);
}

TEST_F(ComplianceProof, AKeyIsMadeOnceAndShown) {
    const std::string path = folder_.path() + "/k.pem";
    const RunResult made = run_binary({"audit", "key", "create", path, "--origin", "log.example/a"});
    ASSERT_EQ(made.status, 0) << made.error;
    EXPECT_TRUE(made.out.starts_with("log.example/a+")) << made.out;
    EXPECT_EQ(run_binary({"audit", "key", "show", path, "--origin", "log.example/a"}).out, made.out);
    EXPECT_EQ(run_binary({"audit", "key", "create", path, "--origin", "log.example/a"}).status, 1);
    ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
    EXPECT_EQ(run_binary({"audit", "key", "show", path, "--origin", "log.example/a"}).status, 1);
    EXPECT_EQ(run_binary({"audit", "key", "show", path}).status, 2);
}

TEST_F(ComplianceProof, ATenantGetsReceiptsOfItsOwnDecisionsOnly) {
    const auto key = [&](std::vector<std::string> words) {
        words.insert(words.begin(), {"keys", "create", "--data-dir=" + folder_.path(), "--name"});
        const RunResult made = run_binary(words);
        EXPECT_EQ(made.status, 0) << made.error;
        return HeaderList{{"Authorization", "Bearer " + made.out.substr(0, made.out.find('\n'))}};
    };
    const HeaderList north = key({"north", "--tenant", "north", "--scope", "provenance", "--scope", "compliance"});
    const HeaderList south = key({"south", "--tenant", "south", "--scope", "compliance"});
    const HeaderList auditor = key({"auditor", "--scope", "compliance:audit"});
    Process server = start(kQuick, {"--identity.required=always"});
    ASSERT_NE(server, nullptr);
    const std::string id = decide(server->port(), 1, north);
    receipt(server->port(), id, north);
    receipt(server->port(), id, auditor);
    expect_problem(get(server->port(), "/api/compliance/receipt/" + id, south), 404);
    expect_problem(get(server->port(), "/api/compliance/proof/inclusion/" + id, south), 404);
    expect_problem(get(server->port(), "/api/compliance/tiles/tile/entries/000.p/1", south), 403);
    EXPECT_EQ(get(server->port(), "/api/compliance/tiles/tile/entries/000.p/1", auditor).status, 200);
    expect_problem(post(server->port(), "/api/compliance/verify", R"({"log":true})", south), 403);
    expect_problem(post(server->port(), "/api/compliance/hold", R"({"reason":"r","tenant":"north"})", south), 403);
    expect_problem(get(server->port(), "/api/compliance/retention", south), 403);
    // Held for its own, whatever it leaves out; not seen by the other, nor released by it.
    const RawResponse held = post(server->port(), "/api/compliance/hold", R"({"reason":"ours"})", north);
    ASSERT_EQ(held.status, 200) << held.body;
    EXPECT_EQ(parse_json(held.body).root().find("tenant")->as_string(), "north");
    EXPECT_EQ(get(server->port(), "/api/compliance/hold", south).body.find("ours"), std::string::npos);
    RawClient client(server->port());
    expect_problem(client.ask(request_text("DELETE", "/api/compliance/hold/1", {}, south)), 404);
}

TEST_F(ComplianceProof, HoldsArePlacedListedAndReleasedAndTheLogSaysSo) {
    Process server = start(kQuick);
    ASSERT_NE(server, nullptr);
    decide(server->port(), 0);
    const RawResponse placed = post(server->port(), "/api/compliance/hold", R"({"reason":"case 7","tenant":"north"})");
    ASSERT_EQ(placed.status, 200) << placed.body;
    const auto id = std::to_string(parse_json(placed.body).root().find("id")->as_int());
    EXPECT_NE(get(server->port(), "/api/compliance/hold?active=true").body.find("case 7"), std::string::npos);
    RawClient client(server->port());
    const RawResponse released = client.ask(request_text("DELETE", "/api/compliance/hold/" + id));
    ASSERT_EQ(released.status, 200) << released.body;
    EXPECT_FALSE(parse_json(released.body).root().find("active")->as_bool());
    EXPECT_EQ(get(server->port(), "/api/compliance/hold?active=true").body.find("case 7"), std::string::npos);
    expect_problem(post(server->port(), "/api/compliance/hold",
                        R"({"reason":"r","from":"2026-02-01T00:00:00Z","to":"2026-01-01T00:00:00Z"})"),
                   422);
    const RawResponse plan = post(server->port(), "/api/compliance/retention", R"({"run":true})");
    ASSERT_EQ(plan.status, 200) << plan.body;
    const RunResult tail = run_binary({"audit", "tail", log_folder(), "-n", "50"});
    EXPECT_NE(tail.out.find("hold/place"), std::string::npos) << tail.out;
    EXPECT_NE(tail.out.find("hold/release"), std::string::npos);
}

}  // namespace
}  // namespace tidegate::testing
