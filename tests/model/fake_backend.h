// A Backend whose model files are lines of text, and a folder of models that lasts as long as its test.
//
// Lines       `input NAME TYPE D,D,...`, `output NAME TYPE D,D,...`, `times N` (each output is the first input times N), `broken WHY` (the
//             load fails), `no_zeros` (a pass of zeros is refused).
// Threads     Gate: any thread. The rest: the test's.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/strings.h"
#include "model/backend.h"
#include "model/repository.h"

namespace tidegate::model::testing {

/// Holds passes while it is closed.
class Gate {
  public:
    void close() {
        const Lock lock(mutex_);
        closed_ = true;
    }
    void open() {
        const Lock lock(mutex_);
        closed_ = false;
        changed_.notify_all();
    }
    void pass() {
        const Lock lock(mutex_);
        ++waiting_;
        changed_.notify_all();
        while (closed_) changed_.wait(mutex_);
        --waiting_;
    }
    /// Until a pass stands before the closed gate.
    void wait_for_pass() {
        const Lock lock(mutex_);
        while (waiting_ == 0) changed_.wait(mutex_);
    }

  private:
    Mutex mutex_;
    Condition changed_;
    bool closed_ TG_GUARDED_BY(mutex_) = false;
    int waiting_ TG_GUARDED_BY(mutex_) = 0;
};

class FakeSession final : public Session {
  public:
    FakeSession(std::vector<TensorInfo> inputs, std::vector<TensorInfo> outputs, float factor, bool takes_zeros,
                Gate& gate, std::atomic<int>& passes, std::atomic<int>& alive)
        : inputs_(std::move(inputs)),
          outputs_(std::move(outputs)),
          factor_(factor),
          takes_zeros_(takes_zeros),
          gate_(gate),
          passes_(passes),
          alive_(alive) {
        ++alive_;
    }
    ~FakeSession() override { --alive_; }

    std::span<const TensorInfo> inputs() const noexcept override { return inputs_; }
    std::span<const TensorInfo> outputs() const noexcept override { return outputs_; }
    std::uint64_t memory_bytes() const noexcept override { return 1234; }
    Device device() const noexcept override { return Device::kCpu; }

    Result<void> run(std::span<const TensorView> inputs, std::span<const std::uint32_t> wanted,
                     std::vector<Tensor>& results, const RunOptions&) override {
        gate_.pass();
        ++passes_;
        const std::span<const std::byte> first = inputs.front().bytes;
        const bool zeros = std::ranges::all_of(first, [](std::byte b) { return b == std::byte{0}; });
        if (zeros && !takes_zeros_) return fail(ErrorCode::kFailedValidation, "zeros divide by zero");
        results.clear();
        for (const std::uint32_t index : wanted) {
            TG_TRY(Tensor out, Tensor::make(outputs_[index].type, inputs.front().shape, 1ULL << 30U));
            for (std::size_t at = 0; at + sizeof(float) <= std::min(first.size(), out.bytes().size());
                 at += sizeof(float)) {
                float value = 0;
                std::memcpy(&value, first.data() + at, sizeof(float));
                value *= factor_;
                std::memcpy(out.bytes().data() + at, &value, sizeof(float));
            }
            results.push_back(std::move(out));
        }
        return {};
    }

  private:
    std::vector<TensorInfo> inputs_, outputs_;
    float factor_;
    bool takes_zeros_;
    Gate& gate_;
    std::atomic<int>& passes_;
    std::atomic<int>& alive_;
};

class FakeBackend final : public Backend {
  public:
    Gate gate;
    std::atomic<int> passes{0};
    std::atomic<int> loads{0};
    std::atomic<int> alive{0};  // Sessions that are not yet given back.
    SessionOptions last_options;

    std::string name() const override { return "fake"; }
    std::string version() const override { return "1"; }
    Result<void> offers(Device device, int) const override {
        if (device == Device::kCpu) return {};
        return fail(ErrorCode::kUnavailable, "there is no GPU here");
    }
    Result<std::unique_ptr<Session>> load(std::span<const std::byte> bytes, const SessionOptions& options) override {
        ++loads;
        last_options = options;
        std::vector<TensorInfo> inputs, outputs;
        float factor = 1;
        bool takes_zeros = true;
        std::istringstream lines(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
        for (std::string word; lines >> word;) {
            if (word == "input" || word == "output") {
                (word == "input" ? inputs : outputs).push_back(read_info(lines));
            } else if (word == "times") {
                lines >> factor;
            } else if (word == "no_zeros") {
                takes_zeros = false;
            } else if (word == "broken") {
                std::string why;
                std::getline(lines, why);
                return fail(ErrorCode::kFailedValidation, std::string(trim(why)));
            } else {
                return fail(ErrorCode::kFailedValidation, "these are no lines of a fake model");
            }
        }
        if (inputs.empty()) return fail(ErrorCode::kFailedValidation, "the file is empty");
        return std::make_unique<FakeSession>(std::move(inputs), std::move(outputs), factor, takes_zeros, gate, passes,
                                             alive);
    }

  private:
    static TensorInfo read_info(std::istream& lines) {
        std::string name, type, dims;
        lines >> name >> type >> dims;
        std::vector<std::int64_t> dimensions;
        for (const std::string_view part : split(dims, ',')) dimensions.push_back(parse_i64(part).value_or(-1));
        return {.name = name, .type = data_type_of(type).value_or(DataType::kFp32), .shape = *Shape::of(dimensions)};
    }
};

/// FP32 [-1,4] -> [-1,4], times `factor`.
inline std::string scaler(int factor) {
    return "input x FP32 -1,4\noutput y FP32 -1,4\ntimes " + std::to_string(factor) + "\n";
}

class ModelsFolder {
  public:
    ModelsFolder() {
        std::string made = (std::filesystem::temp_directory_path() / "tidegate-models-XXXXXX").string();
        EXPECT_NE(::mkdtemp(made.data()), nullptr);
        path_ = made;
    }
    ~ModelsFolder() { std::filesystem::remove_all(path_); }
    ModelsFolder(const ModelsFolder&) = delete;
    ModelsFolder& operator=(const ModelsFolder&) = delete;

    std::string path() const { return path_.string(); }
    RepositoryOptions options(RepositoryMode mode = RepositoryMode::kNone) const {
        RepositoryOptions options;
        options.folder = path();
        options.mode = mode;
        options.poll_interval = std::chrono::hours(1);  // Tests look when they want.
        return options;
    }
    std::filesystem::path at(const std::string& name) const { return path_ / name; }
    /// Written beside and renamed, as a careful tool does it; an hour old, so that a poll takes it at once.
    void put(const std::string& name, const std::string& bytes) const {
        const auto target = path_ / name;
        std::filesystem::create_directories(target.parent_path());
        const auto beside = path_ / ".beside";
        std::ofstream(beside, std::ios::binary) << bytes;
        std::filesystem::last_write_time(beside, std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
        std::filesystem::rename(beside, target);
    }

  private:
    std::filesystem::path path_;
};

}  // namespace tidegate::model::testing
