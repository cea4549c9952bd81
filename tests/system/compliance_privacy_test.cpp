// Privacy through the real server: what lies on the disk, who reads content, what an erasure leaves.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "system/client.h"

namespace tidegate::testing {
namespace {

constexpr std::string_view kText =
    "A question about Bartholomew that nobody else may ever read again, long enough to be looked at.";

class CompliancePrivacy : public ::testing::Test {
  protected:
    HeaderList create(const std::string& tenant, std::vector<std::string> scopes, std::string* id = nullptr) const {
        std::vector<std::string> words{"keys", "create", "--name", "k", "--tenant", tenant};
        for (std::string& scope : scopes) {
            words.emplace_back("--scope");
            words.push_back(std::move(scope));
        }
        words.push_back("--data-dir=" + folder_.path());
        const RunResult made = run_binary(words);
        EXPECT_EQ(made.status, 0) << made.error;
        const std::string key = made.out.substr(0, made.out.find('\n'));
        if (id != nullptr) *id = key.substr(3, 12);
        return {{"Authorization", "Bearer " + key}};
    }
    void start(std::vector<std::string> more = {}) {
        more.emplace_back("--identity.required=always");
        more.emplace_back("--privacy.keep_content=both");
        server_ = ServerProcess::start(folder_.path(), more);
        ASSERT_NE(server_, nullptr);
    }
    std::string detect(const HeaderList& key) const {
        const RawResponse response = post(server_->port(), "/api/v1/detect/text", text_body(kText), key);
        EXPECT_EQ(response.status, 200) << response.body;
        return std::string(parse_json(response.body).root().find("analysis_id")->as_string());
    }
    RawResponse content(const std::string& id, const HeaderList& key) const {
        return get(server_->port(), "/api/compliance/content/" + id, key);
    }
    bool on_disk(std::string_view bytes) const {
        for (const auto& file : std::filesystem::recursive_directory_iterator(folder_.path())) {
            if (!file.is_regular_file()) continue;
            std::ifstream in(file.path(), std::ios::binary);
            const std::string all{std::istreambuf_iterator<char>(in), {}};
            if (all.find(bytes) != std::string::npos) return true;
        }
        return false;
    }

    TemporaryFolder folder_;
    std::unique_ptr<ServerProcess> server_;
};

TEST_F(CompliancePrivacy, ContentIsReadByThoseWhoAreNamedAndByNobodyAfterItsErasure) {
    std::string anna_id;
    const HeaderList anna = create("north", {"provenance"}, &anna_id);
    const HeaderList everything = create("north", {"*"});
    const HeaderList reader = create("north", {"compliance:content"});
    const HeaderList officer = create("north", {"compliance:officer"});
    const HeaderList stranger = create("south", {"compliance"});
    start();
    const std::string id = detect(anna);
    EXPECT_EQ(content(id, anna).status, 403);
    EXPECT_EQ(content(id, everything).status, 403) << "a star is not a name";
    EXPECT_EQ(content(id, officer).status, 403);
    EXPECT_EQ(content(id, stranger).status, 404) << "another tenant";
    const RawResponse kept = content(id, reader);
    ASSERT_EQ(kept.status, 200) << kept.body;
    EXPECT_EQ(parse_json(kept.body).root().find("input")->as_string(), kText);
    EXPECT_FALSE(on_disk("Bartholomew")) << "neither in the log nor beside it";

    const std::string body = R"({"subject":"key:)" + anna_id + R"("})";
    EXPECT_EQ(post(server_->port(), "/api/compliance/erase", body, reader).status, 403);
    const RawResponse others = post(server_->port(), "/api/compliance/erase", body, stranger);
    ASSERT_EQ(others.status, 200) << others.body;
    EXPECT_EQ(parse_json(others.body).root().find("keys_destroyed")->as_int(), 0) << "a subject of another tenant";
    EXPECT_EQ(content(id, reader).status, 200);
    const RawResponse erased = post(server_->port(), "/api/compliance/erase", body, officer);
    ASSERT_EQ(erased.status, 200) << erased.body;
    EXPECT_EQ(parse_json(erased.body).root().find("keys_destroyed")->as_int(), 1);
    EXPECT_EQ(content(id, reader).status, 410);
    server_.reset();
    start();
    EXPECT_EQ(content(id, reader).status, 410) << "also after a new start";
    EXPECT_EQ(get(server_->port(), "/api/v1/analyze/history", everything).body.find("\"total\":0"), std::string::npos)
        << "the record stays";
}

TEST_F(CompliancePrivacy, WhatIsAskedToBeErasedIsNamedWell) {
    const HeaderList officer = create("north", {"compliance:officer"});
    start();
    for (const std::string_view body :
         {"{}", R"({"subject":"a","month":"2026-01"})", R"({"month":"2026-13"})", R"({"month":"26-1-01"})"}) {
        EXPECT_EQ(post(server_->port(), "/api/compliance/erase", body, officer).status, 422) << body;
    }
}

TEST_F(CompliancePrivacy, AMasterKeyThatIsMissingOrOpenToOthersStopsTheStart) {
    const HeaderList anna = create("north", {"provenance"});
    start();
    detect(anna);
    server_.reset();
    const std::string path = folder_.path() + "/master.key";
    ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
    const RunResult open = run_binary({"serve", "--port=0", "--data-dir=" + folder_.path()});
    EXPECT_NE(open.status, 0);
    EXPECT_NE(open.error.find("privacy.master_key_path"), std::string::npos) << open.error;
    std::filesystem::remove(path);
    const RunResult missing = run_binary({"serve", "--port=0", "--data-dir=" + folder_.path()});
    EXPECT_NE(missing.status, 0);
    EXPECT_NE(missing.error.find("missing"), std::string::npos) << missing.error;
}

}  // namespace
}  // namespace tidegate::testing
