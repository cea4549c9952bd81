// A real log in a folder of its own, its followers, and a clock that the test moves.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>

#include "audit/keep/log_key.h"
#include "audit/keep/proof_keeper.h"
#include "audit/segment_decision_log.h"
#include "audit/verify/verify.h"
#include "audit_segments/segments_fixture.h"

namespace tidegate::audit::keep {

class KeepTest : public ::testing::Test {
  protected:
    static constexpr UnixMillis kStart = 1'772'366'400'000;

    KeepTest() : folder_((std::filesystem::temp_directory_path() / "tidegate_keep_XXXXXX").string()) {
        EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
    }
    ~KeepTest() override {
        close();
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }

    std::string log_folder() const { return folder_ + "/log"; }
    std::string key_path() const { return folder_ + "/audit.key"; }
    proof::SigningKey key() const { return std::move(open_log_key(key_path(), "log.example/keep").value().key); }

    /// With `background` the keeper signs by itself.
    Result<void> try_open(bool background = false, std::uint64_t records = 65'536) {
        SegmentDecisionLogOptions options;
        options.segments = segments::small_options();
        TG_TRY(log_, SegmentDecisionLog::open(std::make_unique<segments::SystemLogFolder>(log_folder()), options,
                                              clock_, random_));
        TG_TRY(proofs_, ProofKeeper::open({.folder = log_folder(),
                                           .interval = std::chrono::hours(1),
                                           .records = records,
                                           .background = background},
                                          key(), log_->segments(), clock_));
        return log_->follow({proofs_.get()});
    }
    void open(bool background = false, std::uint64_t records = 65'536) {
        const auto opened = try_open(background, records);
        ASSERT_TRUE(opened) << opened.error().message;
    }
    void close() {
        if (log_) log_->close();
        if (proofs_) proofs_->stop();
        log_.reset();
        proofs_.reset();
    }
    /// Durable when it returns; each a millisecond after the one before.
    void append(std::uint64_t count) {
        for (std::uint64_t i = 0; i < count; ++i) {
            clock_.advance(std::chrono::milliseconds(1));
            Decision decision =
                segments::make_decision(random_, next_, clock_.unix_ms() - static_cast<UnixMillis>(next_));
            ++next_;
            decisions_.push_back(decision);
            log_->append(std::move(decision), [](const Result<void>& done) { EXPECT_TRUE(done); });
            if (next_ % 64 == 0) log_->flush();
        }
        log_->flush();
    }
    verify::Report verify_log() const {
        return verify::verify_log({log_folder(), verify::parse_keys(key().verifier().to_text()).value(), {}}).value();
    }
    std::string read(const std::string& path) const {
        std::ifstream file(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    void write(const std::string& path, std::string_view text) const {
        std::ofstream(path, std::ios::binary | std::ios::trunc)
            .write(text.data(), static_cast<std::streamsize>(text.size()));
    }

    std::string folder_;
    ManualClock clock_{kStart};
    SeededRandom random_{11};
    std::uint64_t next_ = 0;
    std::vector<Decision> decisions_;
    std::unique_ptr<SegmentDecisionLog> log_;
    std::unique_ptr<ProofKeeper> proofs_;
};

}  // namespace tidegate::audit::keep
