// The key store and the vault: what is kept can be read by whom it belongs to, and by nobody after its erasure.
#include "audit/privacy/vault.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "audit/privacy/vault_writer.h"

namespace tidegate::audit::privacy {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kAsked = "the question that nobody else may read";
constexpr std::string_view kAnswered = "the answer that nobody else may read";

class VaultTest : public ::testing::Test {
  protected:
    void SetUp() override {
        folder_ = fs::temp_directory_path() / ("tidegate_vault_" + std::to_string(::getpid()) + "_" +
                                               ::testing::UnitTest::GetInstance()->current_test_info()->name());
        fs::remove_all(folder_);
        fs::create_directories(folder_);
    }
    void TearDown() override {
        vault_.reset();
        keys_.reset();
        fs::remove_all(folder_);
    }

    KeyStore::Options key_options() const {
        return {(folder_ / "privacy.db").string(), (folder_ / "master.key").string(), {}};
    }
    Result<void> open(Vault::Options options = {}) {
        vault_.reset();
        keys_.reset();
        auto keys = KeyStore::open(key_options(), clock_, random_);
        if (!keys) return std::unexpected(keys.error());
        keys_ = *std::move(keys);
        auto vault = Vault::open(*keys_, options, clock_, random_);
        if (!vault) return std::unexpected(vault.error());
        vault_ = *std::move(vault);
        return {};
    }
    Uuid put(const std::string& tenant, const std::string& subject) {
        const Uuid id = make_uuid7(clock_, random_);
        EXPECT_TRUE(vault_->put({id, tenant, subject}, {std::string(kAsked), std::string(kAnswered)}).has_value());
        return id;
    }
    ContentState state_of(const Uuid& id, std::string_view tenant) {
        const auto answer = vault_->read(id, tenant);
        EXPECT_TRUE(answer.has_value()) << answer.error().message;
        return answer ? answer->state : ContentState::kNone;
    }
    Uuid event() { return make_uuid7(clock_, random_); }
    /// Whether any file of the folder but the master key holds these bytes.
    bool on_disk(std::string_view bytes) const {
        for (const auto& file : fs::directory_iterator(folder_)) {
            if (file.path().filename() == "master.key") continue;
            std::ostringstream text;
            text << std::ifstream(file.path(), std::ios::binary).rdbuf();
            if (text.str().find(bytes) != std::string::npos) return true;
        }
        return false;
    }
    void execute(std::string_view sql) {
        auto database = store::Database::open({.path = key_options().path, .vfs = {}});
        ASSERT_TRUE(database.has_value());
        const auto done = database->execute(sql);
        ASSERT_TRUE(done.has_value()) << done.error().message;
    }
    std::string sealed_key() const {
        auto database = store::Database::open({.path = key_options().path, .vfs = {}});
        auto row = database->prepare("SELECT sealed FROM data_keys LIMIT 1");
        if (!row->step().value_or(false)) return {};
        const store::Blob bytes = row->blob(0);
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }

    SystemClock clock_;
    SystemRandom random_;
    fs::path folder_;
    std::unique_ptr<KeyStore> keys_;
    std::unique_ptr<Vault> vault_;
};

TEST_F(VaultTest, GivesBackWhatWasPutToItsTenantAlone) {
    ASSERT_TRUE(open().has_value());
    const Uuid id = put("north", "key:anna");
    const auto answer = vault_->read(id, "north");
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->content.input, kAsked);
    EXPECT_EQ(answer->content.output, kAnswered);
    EXPECT_EQ(state_of(id, "south"), ContentState::kNone);
    EXPECT_EQ(state_of(id, ""), ContentState::kNone);
    ASSERT_TRUE(open().has_value());
    EXPECT_EQ(state_of(id, "north"), ContentState::kKept) << "also after a new start";
}

TEST_F(VaultTest, NeitherContentNorKeyLiesOpenOnTheDisk) {
    ASSERT_TRUE(open().has_value());
    put("north", "key:anna");
    vault_->flush();
    EXPECT_FALSE(on_disk(kAsked));
    EXPECT_FALSE(on_disk(kAnswered));
    EXPECT_FALSE(on_disk("key:anna")) << "the subject stands there as a keyed hash";
    EXPECT_FALSE(on_disk(keys_->master().chars()));
}

TEST_F(VaultTest, AfterAnErasureThereIsNoWayToReadAndTheKeyIsNowhere) {
    ASSERT_TRUE(open().has_value());
    const Uuid hers = put("north", "key:anna");
    const Uuid his = put("north", "key:ben");
    const Uuid others = put("south", "key:anna");
    vault_->flush();
    auto database = store::Database::open({.path = key_options().path, .vfs = {}});
    auto row = database->prepare("SELECT sealed FROM data_keys WHERE id=(SELECT key_id FROM contents WHERE record=?)");
    row->bind(1, store::Blob(hers.bytes));
    ASSERT_TRUE(row->step().value());
    const std::string sealed(reinterpret_cast<const char*>(row->blob(0).data()), row->blob(0).size());
    row->reset();
    database.value() = store::Database::open({.path = ":memory:", .vfs = {}}).value();
    ASSERT_TRUE(on_disk(sealed)) << "the search works";

    const auto erased = vault_->erase({"north", "key:anna", 0}, event());
    ASSERT_TRUE(erased.has_value()) << erased.error().message;
    EXPECT_EQ(erased->keys_destroyed, 1U);
    EXPECT_EQ(erased->contents, 2U);
    EXPECT_EQ(state_of(hers, "north"), ContentState::kErased);
    EXPECT_EQ(state_of(his, "north"), ContentState::kKept);
    EXPECT_EQ(state_of(others, "south"), ContentState::kKept) << "another tenant's subject of the same name";
    EXPECT_FALSE(on_disk(sealed)) << "neither in the database nor in its write-ahead log";
    const auto again = vault_->erase({"north", "key:anna", 0}, event());
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->keys_destroyed, 0U);
    ASSERT_TRUE(open().has_value());
    EXPECT_EQ(state_of(hers, "north"), ContentState::kErased);
    EXPECT_EQ(state_of(put("north", "key:anna"), "north"), ContentState::kKept) << "who comes again has a new key";
}

TEST_F(VaultTest, AMonthIsErasedWithoutItsSubjects) {
    ASSERT_TRUE(open().has_value());
    const Uuid nobodys = put("north", "");
    const Uuid hers = put("north", "key:anna");
    EXPECT_FALSE(vault_->erase({"north", "", 202613}, event()).has_value());
    const auto erased = vault_->erase({"north", "", month_of(clock_.unix_ms())}, event());
    ASSERT_TRUE(erased.has_value());
    EXPECT_EQ(erased->keys_destroyed, 1U);
    EXPECT_EQ(state_of(nobodys, "north"), ContentState::kErased);
    EXPECT_EQ(state_of(hers, "north"), ContentState::kKept);
}

TEST_F(VaultTest, WhatWaitsWhenAnErasureIsAskedForIsErasedToo) {
    ASSERT_TRUE(open().has_value());
    std::vector<Uuid> ids;
    for (int i = 0; i < 200; ++i) ids.push_back(put("north", "key:anna"));
    ASSERT_TRUE(vault_->erase({"north", "key:anna", 0}, event()).has_value());
    for (const Uuid& id : ids) ASSERT_EQ(state_of(id, "north"), ContentState::kErased);
}

TEST_F(VaultTest, ASwappedOrChangedRowIsAnErrorAndNeverOthersContent) {
    ASSERT_TRUE(open().has_value());
    const Uuid one = put("north", "key:anna");
    vault_->flush();
    const std::string_view swap = "UPDATE contents SET part=part+10; UPDATE contents SET part=13-part";
    execute(swap);
    const auto swapped = vault_->read(one, "north");
    ASSERT_FALSE(swapped.has_value());
    EXPECT_EQ(swapped.error().code, ErrorCode::kDataLoss);
    execute(swap);
    EXPECT_EQ(state_of(one, "north"), ContentState::kKept);
    execute("UPDATE contents SET sealed=zeroblob(length(sealed))");
    EXPECT_FALSE(vault_->read(one, "north").has_value());
    execute("UPDATE contents SET tenant='south'");
    EXPECT_FALSE(vault_->read(one, "south").has_value()) << "moved to another tenant";
    execute("DELETE FROM data_keys");
    EXPECT_EQ(vault_->read(one, "south").error().code, ErrorCode::kDataLoss) << "a key that is gone without an erasure";
}

TEST_F(VaultTest, AKeyThatHasSealedEnoughGetsASuccessorAndAnErasureTakesBoth) {
    ASSERT_TRUE(open({.messages_per_key_max = 3}).has_value());
    std::vector<Uuid> ids;
    for (int i = 0; i < 5; ++i) {
        ids.push_back(put("north", "key:anna"));
        vault_->flush();
    }
    for (const Uuid& id : ids) EXPECT_EQ(state_of(id, "north"), ContentState::kKept);
    const auto erased = vault_->erase({"north", "key:anna", 0}, event());
    ASSERT_TRUE(erased.has_value());
    EXPECT_EQ(erased->keys_destroyed, 4U);
    EXPECT_EQ(erased->contents, 10U);
}

TEST_F(VaultTest, AFullQueueRefusesOrCountsAsItIsTold) {
    ASSERT_TRUE(open({.when_full = Vault::WhenFull::kRefuse, .queue_bytes_max = 10}).has_value());
    const auto refused = vault_->put({event(), "north", ""}, {std::string(kAsked), std::nullopt});
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(vault_->health().refused, 1U);
    ASSERT_TRUE(open({.when_full = Vault::WhenFull::kDrop, .queue_bytes_max = 10}).has_value());
    EXPECT_TRUE(vault_->put({event(), "north", ""}, {std::string(kAsked), std::nullopt}).has_value());
    EXPECT_EQ(vault_->health().lost, 1U);
}

TEST_F(VaultTest, ADatabaseThatTakesNothingIsToldAndWhatWaitsIsKeptUntilItDoes) {
    ASSERT_TRUE(open({.retry_interval = std::chrono::milliseconds(5)}).has_value());
    execute("CREATE TRIGGER no_room BEFORE INSERT ON contents BEGIN SELECT raise(ABORT, 'no room'); END");
    const Uuid id = put("north", "key:anna");
    while (vault_->health().commit_failures == 0) std::this_thread::yield();
    EXPECT_TRUE(vault_->health().degraded);
    EXPECT_NE(vault_->health().reason.find("no room"), std::string::npos);
    const auto erased = vault_->erase({"north", "key:anna", 0}, event());
    EXPECT_FALSE(erased.has_value()) << "an erasure behind it does not wait for ever, nor claim anything";
    execute("DROP TRIGGER no_room");
    vault_->flush();
    EXPECT_EQ(state_of(id, "north"), ContentState::kKept);
    EXPECT_FALSE(vault_->health().degraded);
    EXPECT_EQ(vault_->health().lost, 0U);
}

TEST_F(VaultTest, AnErasureStaysUnloggedUntilItsEventIsDurable) {
    ASSERT_TRUE(open().has_value());
    put("north", "key:anna");
    const Uuid id = event();
    ASSERT_TRUE(vault_->erase({"north", "key:anna", 0}, id).has_value());
    EXPECT_EQ(vault_->health().unlogged_erasures, 1U);
    ASSERT_TRUE(open().has_value());
    const auto left = vault_->unlogged();
    ASSERT_TRUE(left.has_value());
    ASSERT_EQ(left->size(), 1U);
    EXPECT_EQ(left->front().erased.event, id);
    EXPECT_EQ(left->front().erased.subject_hash, keys_->tenant("north").value()->subject("key:anna"));
    vault_->note_logged(id);
    vault_->flush();
    EXPECT_TRUE(vault_->unlogged()->empty());
    EXPECT_EQ(vault_->health().unlogged_erasures, 0U);
}

// A kill after each step: what the erasure has promised holds after the next start, and no step leaves a half.
TEST_F(VaultTest, AKillAfterAnyStepOfAnErasureLeavesNoHalf) {
    for (const std::string_view step : {"before_erase", "erased", "cleaned"}) {
        SCOPED_TRACE(step);
        fs::remove_all(folder_);
        fs::create_directories(folder_);
        ASSERT_TRUE(open().has_value());
        const Uuid id = put("north", "key:anna");
        vault_->flush();
        const std::string sealed = sealed_key();
        vault_.reset();
        keys_.reset();
        const pid_t child = ::fork();
        if (child == 0) {
            if (!open({.at_step = [step](std::string_view name) {
                    if (name == step) ::kill(::getpid(), SIGKILL);
                }})) {
                ::_exit(1);
            }
            static_cast<void>(vault_->erase({"north", "key:anna", 0}, event()));
            ::_exit(2);
        }
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status)) << status;
        ASSERT_TRUE(open().has_value());
        const bool gone = step != "before_erase";
        EXPECT_EQ(state_of(id, "north"), gone ? ContentState::kErased : ContentState::kKept);
        EXPECT_EQ(vault_->unlogged()->size(), gone ? 1U : 0U);
        EXPECT_EQ(on_disk(sealed), !gone);
    }
}

TEST_F(VaultTest, ManyThreadsPutReadAndErase) {
    ASSERT_TRUE(open().has_value());
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([this, t] {
            const std::string subject = "key:" + std::to_string(t);
            for (int i = 0; i < 50; ++i) {
                const Uuid id = put("north", subject);
                if (i % 10 == 0) {
                    EXPECT_EQ(state_of(id, "north"), ContentState::kKept);
                }
                if (i % 25 == 24) {
                    EXPECT_TRUE(vault_->erase({"north", subject, 0}, event()).has_value());
                }
                EXPECT_TRUE(keys_->tenant("tenant " + std::to_string(i % 7)).has_value());
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(vault_->health().stored, 400U);
    EXPECT_EQ(vault_->health().erasures, 8U);
}

TEST_F(VaultTest, AMasterKeyThatOthersMayReadStopsTheStart) {
    ASSERT_TRUE(open().has_value());
    struct stat state{};
    ASSERT_EQ(::stat(key_options().master_key_path.c_str(), &state), 0);
    EXPECT_EQ(state.st_mode & 0777U, 0600U);
    ASSERT_EQ(::chmod(key_options().master_key_path.c_str(), 0640), 0);
    const auto opened = open();
    ASSERT_FALSE(opened.has_value());
    EXPECT_EQ(opened.error().code, ErrorCode::kPermissionDenied);
}

TEST_F(VaultTest, AMissingOrAnotherMasterKeyStopsTheStartWithAClearWord) {
    ASSERT_TRUE(open().has_value());
    put("north", "key:anna");
    vault_->flush();
    fs::rename(folder_ / "master.key", folder_ / "away");
    const auto missing = open();
    ASSERT_FALSE(missing.has_value());
    EXPECT_EQ(missing.error().code, ErrorCode::kDataLoss);
    EXPECT_NE(missing.error().message.find("privacy.master_key_path"), std::string::npos);
    EXPECT_FALSE(fs::exists(folder_ / "master.key")) << "none is made in its place";
    std::ofstream(folder_ / "master.key", std::ios::binary) << std::string(32, 'x');
    ASSERT_EQ(::chmod(key_options().master_key_path.c_str(), 0600), 0);
    EXPECT_EQ(open().error().code, ErrorCode::kDataLoss);
    std::ofstream(folder_ / "master.key", std::ios::binary) << "short";
    EXPECT_EQ(open().error().code, ErrorCode::kDataLoss);
    fs::rename(folder_ / "away", folder_ / "master.key");
    EXPECT_TRUE(open().has_value());
}

}  // namespace
}  // namespace tidegate::audit::privacy
