#include "audit_segments/segments_fixture.h"

#include <bit>

namespace tidegate::audit::segments {
namespace {

std::unexpected<Error> refused() {
    return fail(ErrorCode::kUnavailable, "the test's disk says no");
}

std::vector<std::uint8_t> to_bytes(std::string_view text) {
    return {text.begin(), text.end()};
}

}  // namespace

class TestFile final : public LogFile {
  public:
    TestFile(TestDisk& disk, std::string name, std::shared_ptr<TestDisk::File> file)
        : disk_(disk), name_(std::move(name)), file_(std::move(file)) {}

    Result<void> write(std::uint64_t offset, Bytes bytes) override {
        const Lock lock(disk_.mutex_);
        EXPECT_EQ(offset % kBlockBytes, 0U);
        EXPECT_EQ(bytes.size() % kBlockBytes, 0U);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(bytes.data()) % kBlockBytes, 0U);
        const auto said = disk_.step(TestDisk::Step::kWrite, name_);
        EXPECT_LE(offset + bytes.size(), file_->cached.size()) << "a segment never grows";
        std::ranges::copy(bytes, file_->cached.begin() + static_cast<std::ptrdiff_t>(offset));
        file_->pending.push_back({offset, {bytes.begin(), bytes.end()}});
        return said;
    }
    Result<void> sync() override {
        const Lock lock(disk_.mutex_);
        TG_CHECK(disk_.step(TestDisk::Step::kSync, name_));
        file_->durable = file_->cached;
        file_->pending.clear();
        return {};
    }
    Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> out) const override {
        const Lock lock(disk_.mutex_);
        if (offset >= file_->cached.size()) return 0;
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), file_->cached.size() - offset));
        std::copy_n(file_->cached.begin() + static_cast<std::ptrdiff_t>(offset), size, out.begin());
        return size;
    }
    Result<std::uint64_t> size() const override {
        const Lock lock(disk_.mutex_);
        return file_->cached.size();
    }

  private:
    TestDisk& disk_;
    const std::string name_;
    const std::shared_ptr<TestDisk::File> file_;
};

void TestDisk::fail_when(Fails fails) {
    const Lock lock(mutex_);
    fails_ = std::move(fails);
}

void TestDisk::stop_after(std::uint64_t steps) {
    const Lock lock(mutex_);
    stop_at_ = steps_ + steps;
}

bool TestDisk::has_stopped() const {
    const Lock lock(mutex_);
    return steps_ >= stop_at_;
}

std::uint64_t TestDisk::steps() const {
    const Lock lock(mutex_);
    return steps_;
}

Result<void> TestDisk::step(Step step, const std::string& name) {
    if (steps_ >= stop_at_) return refused();
    ++steps_;
    if (fails_ && fails_(step, name)) return refused();
    return {};
}

void TestDisk::power(Random& random) {
    const Lock lock(mutex_);
    for (auto& [name, file] : files_) {
        // Each sector of each write that was under way is there or not, in no order.
        for (const Pending& write : file->pending) {
            const std::uint64_t mode = random.next_u64() % 4;  // None, all, or some.
            for (std::size_t at = 0; at < write.bytes.size(); at += 512) {
                if (mode == 0 || (mode != 1 && random.next_u64() % 2 == 0)) continue;
                std::copy_n(write.bytes.begin() + static_cast<std::ptrdiff_t>(at), 512,
                            file->durable.begin() + static_cast<std::ptrdiff_t>(write.offset + at));
            }
        }
        file->pending.clear();
        file->cached = file->durable;
    }
    stop_at_ = ~std::uint64_t{0};
    fails_ = nullptr;
}

std::vector<std::uint8_t>& TestDisk::bytes(const std::string& name) {
    const Lock lock(mutex_);
    EXPECT_TRUE(files_.contains(name)) << name;
    return files_[name]->cached;
}

std::set<std::string> TestDisk::names() const {
    const Lock lock(mutex_);
    std::set<std::string> names;
    for (const auto& [name, file] : files_) names.insert(name);
    return names;
}

void TestDisk::remove(const std::string& name) {
    const Lock lock(mutex_);
    EXPECT_EQ(files_.erase(name), 1U) << name;
}

std::map<std::string, std::vector<std::uint8_t>> TestDisk::copy() const {
    const Lock lock(mutex_);
    std::map<std::string, std::vector<std::uint8_t>> copy;
    for (const auto& [name, file] : files_) copy[name] = file->cached;
    return copy;
}

void TestDisk::restore(std::map<std::string, std::vector<std::uint8_t>> files) {
    const Lock lock(mutex_);
    files_.clear();
    for (auto& [name, bytes] : files) {
        auto file = std::make_shared<File>();
        file->cached = file->durable = std::move(bytes);
        files_[name] = std::move(file);
    }
}

Result<std::vector<std::string>> TestFolder::list() const {
    const auto names = disk_.names();
    return std::vector<std::string>(names.begin(), names.end());
}

Result<std::unique_ptr<LogFile>> TestFolder::open_write(const std::string& name) {
    return open_read(name);
}

Result<std::unique_ptr<LogFile>> TestFolder::open_read(const std::string& name) const {
    const Lock lock(disk_.mutex_);
    const auto found = disk_.files_.find(name);
    if (found == disk_.files_.end()) return fail(ErrorCode::kNotFound, "no file " + name);
    return std::make_unique<TestFile>(disk_, name, found->second);
}

Result<void> TestFolder::prepare(const std::string& name, std::uint64_t bytes, Preparation) {
    const Lock lock(disk_.mutex_);
    TG_CHECK(disk_.step(TestDisk::Step::kPrepare, name));
    auto file = std::make_shared<TestDisk::File>();
    file->cached.assign(static_cast<std::size_t>(bytes), 0);
    file->durable = file->cached;
    disk_.files_[name] = std::move(file);
    return {};
}

Result<void> TestFolder::rename(const std::string& from, const std::string& to) {
    const Lock lock(disk_.mutex_);
    TG_CHECK(disk_.step(TestDisk::Step::kRename, from));
    auto node = disk_.files_.extract(from);
    if (node.empty()) return fail(ErrorCode::kNotFound, "no file " + from);
    disk_.files_[to] = std::move(node.mapped());
    return {};
}

Result<void> TestFolder::remove(const std::string& name) {
    const Lock lock(disk_.mutex_);
    TG_CHECK(disk_.step(TestDisk::Step::kRemove, name));
    disk_.files_.erase(name);
    return {};
}

Result<void> TestFolder::write_whole(const std::string& name, std::string_view bytes) {
    const Lock lock(disk_.mutex_);
    TG_CHECK(disk_.step(TestDisk::Step::kWriteWhole, name));
    auto file = std::make_shared<TestDisk::File>();
    file->cached = file->durable = to_bytes(bytes);
    disk_.files_[name] = std::move(file);
    return {};
}

Sha256 tree_head(std::span<const Sha256> leaves) {
    if (leaves.empty()) return sha256({});
    if (leaves.size() == 1) return leaves[0];
    const std::size_t left = std::bit_floor(leaves.size() - 1);
    return node_hash(tree_head(leaves.first(left)), tree_head(leaves.subspan(left)));
}

}  // namespace tidegate::audit::segments
