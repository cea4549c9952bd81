#include "services/speech/upload.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "base/utf8.h"
#include "pipeline/problem.h"

namespace tidegate::speech {
namespace {

constexpr std::size_t kFileNameMax = 200;

/// The last step of a path as any system writes it; only for people to read.
std::string shown_name(std::string_view said) {
    const std::size_t slash = said.find_last_of("/\\");
    if (slash != std::string_view::npos) said.remove_prefix(slash + 1);
    if (!utf8::is_valid(said)) return {};
    std::string out(said.substr(0, kFileNameMax));
    while (!utf8::is_valid(out)) out.pop_back();
    std::erase_if(out, [](char one) { return static_cast<unsigned char>(one) < 0x20 || one == 0x7f; });
    return out;
}

}  // namespace

void refuse_form(const pipeline::ContextPtr& context, Error error) {
    if (error.code == ErrorCode::kFailedValidation && context->error_shape() == pipeline::ErrorShape::kOpenAi) {
        error.code = ErrorCode::kInvalidArgument;
    }
    context->fail(error);
}

HeldFile::~HeldFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
}

std::optional<std::string> Uploaded::field(const std::string& name) const {
    const auto found = fields.find(name);
    if (found == fields.end() || found->second.back().empty()) return std::nullopt;
    return found->second.back();
}

/// SHA-256 of what comes piece by piece.
struct Upload::Hash {
    std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
    Hash() { EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr); }
    void add(std::string_view bytes) { EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()); }
    Sha256 take() {
        Sha256 out{};
        EVP_DigestFinal_ex(context.get(), out.data(), nullptr);
        return out;
    }
};

Upload::Upload(runtime::WorkerPool& pool, UploadRules rules, pipeline::ContextPtr context, Done done)
    : pool_(pool),
      rules_(std::move(rules)),
      context_(std::move(context)),
      done_(std::move(done)),
      mailbox_(context_->exchange()->loop().mailbox()),
      path_(fmt::format("{}/speech-{}", rules_.folder, context_->make_id())) {
    if (rules_.shares != nullptr) uploaded_.place = DiskShares::Place(*rules_.shares, rules_.tenant);
}

Upload::~Upload() {
    if (fd_ >= 0) ::close(fd_);
}

void Upload::start() {
    const auto boundary = http::multipart_boundary(context_->head().headers.get("Content-Type").value_or(""));
    if (!boundary) return context_->fail(boundary.error());
    if (context_->head().headers.get("Content-Encoding")) {
        return context_->fail({ErrorCode::kUnsupportedMedia, "The body must not be compressed."});
    }
    const auto pipe = context_->body_pipe();
    if (pipe == nullptr) return context_->fail({ErrorCode::kInvalidArgument, "There is no body."});
    reader_ = std::make_unique<http::MultipartReader>(*boundary, http::MultipartLimits{}, *this);
    self_ = shared_from_this();
    pipe->attach(context_->exchange(), *this);
}

bool Upload::on_body(std::string_view bytes) {
    if (gone_) return true;
    const auto held = shared_from_this();  // A pool that refuses the block lets go of us.
    gathered_.append(bytes);
    go_on();
    if (gone_) return true;
    paused_ = gathered_.size() >= kBlockBytes;
    return !paused_;
}

void Upload::on_body_end() {
    const auto held = shared_from_this();  // The pool may be done with the last block before we are.
    ended_ = true;
    go_on();
}

void Upload::on_body_failed(int status, std::string_view detail) {
    gone_ = true;
    constexpr int kLeft = 499;
    const auto held = std::exchange(self_, nullptr);
    const auto context = std::exchange(context_, nullptr);
    if (status != kLeft) context->fail({pipeline::code_of_status(status), std::string(detail)});
}

/// Hands out the next block, when the last one is written and there is enough, or all.
void Upload::go_on() {
    if (gone_ || writing_ || (!ended_ && gathered_.size() < kBlockBytes)) return;
    writing_ = true;
    const bool last = ended_;
    auto task = [self = shared_from_this(), block = std::exchange(gathered_, {}), last]() mutable {
        self->write_block(std::move(block), last);
    };
    if (pool_.submit(std::move(task))) return;
    refuse({ErrorCode::kUnavailable, "The server has too much to do; ask again."});
}

/// On the loop: answers now, and hears of the body no more; what was written of it goes with us.
void Upload::refuse(const Error& error) {
    if (gone_) return;
    gone_ = true;
    const auto held = std::exchange(self_, nullptr);
    const auto context = std::exchange(context_, nullptr);
    gathered_ = {};
    if (const auto pipe = context->body_pipe()) pipe->detach();
    refuse_form(context, error);
}

// On the pool.
void Upload::write_block(std::string block, bool last) {
    if (!failure_) {
        if (const auto fed = reader_->feed(block); !fed) fail_now(fed.error(), last);
    }
    if (last) {
        if (!failure_) {
            if (const auto whole = reader_->finish(); !whole) failure_ = whole.error();
        }
        return tell(failure_ ? std::unexpected(*failure_) : finish());
    }
    mailbox_->post([self = shared_from_this()] {
        self->writing_ = false;
        if (self->gone_) return;  // Without a context, too.
        self->go_on();
        if (self->gone_ || !self->paused_ || self->gathered_.size() >= kBlockBytes) return;
        self->paused_ = false;
        if (const auto pipe = self->context_->body_pipe()) pipe->resume();
    });
}

/// On the pool: what came so far goes, and the client hears of it without sending the rest.
void Upload::fail_now(const Error& error, bool last) {
    failure_ = error;
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    uploaded_.file = HeldFile();
    uploaded_.place.give_back();
    if (last) return;
    mailbox_->post([self = shared_from_this(), error] { self->refuse(error); });
}

void Upload::tell(Result<Uploaded> result) {
    // The body is whole: the loop is done with us.
    const auto held = std::exchange(self_, nullptr);
    const auto context = std::exchange(context_, nullptr);
    done_(context, std::move(result));
}

Result<void> Upload::on_part(const http::PartHead& head) {
    part_ = head.name;
    in_file_ = std::ranges::find(rules_.file_fields, head.name) != rules_.file_fields.end();
    if (!in_file_) {
        uploaded_.fields[part_].emplace_back();
        return {};
    }
    if (std::exchange(has_file_, true)) {
        return fail(ErrorCode::kFailedValidation, fmt::format("{}: one recording a request.", part_));
    }
    uploaded_.file_name = shown_name(head.file_name.value_or(""));
    hash_ = std::make_unique<Hash>();
    return open_file();
}

Result<void> Upload::open_file() {
    uploaded_.file = HeldFile(path_);
    fd_ = ::open(uploaded_.file.path().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd_ < 0) return fail(ErrorCode::kUnavailable, "The recording cannot be stored.");
    return {};
}

Result<void> Upload::on_data(std::string_view bytes) {
    if (!in_file_) {
        std::string& value = uploaded_.fields[part_].back();
        if (value.size() + bytes.size() > kFieldBytesMax) {
            return fail(ErrorCode::kTooLarge, "A field of the form is too long.");
        }
        value.append(bytes);
        return {};
    }
    hash_->add(bytes);
    TG_CHECK(look_for_room(bytes.size()));
    TG_CHECK(uploaded_.place.grow(bytes.size()));
    uploaded_.bytes += bytes.size();
    while (!bytes.empty()) {
        const auto written = ::write(fd_, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return fail(ErrorCode::kUnavailable, "The recording cannot be stored; is the disk full?");
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

/// At its first byte and each kRoomEachBytes: whether the disk has room for others too.
Result<void> Upload::look_for_room(std::size_t more) {
    constexpr std::uint64_t kRoomEachBytes = 16ULL * 1024 * 1024;
    const bool is_time =
        uploaded_.bytes == 0 || uploaded_.bytes / kRoomEachBytes != (uploaded_.bytes + more) / kRoomEachBytes;
    if (!is_time) return {};
    struct statvfs found{};
    if (::statvfs(rules_.folder.c_str(), &found) != 0) return {};  // The write tells.
    if (std::uint64_t{found.f_bavail} * found.f_frsize >= rules_.disk_free_min) return {};
    return fail(ErrorCode::kUnavailable, "The disk has no room for recordings (speech.disk_free_min_bytes).");
}

Result<void> Upload::on_part_end() {
    if (!in_file_) return {};
    // What is accepted survives a loss of power: the file's bytes, then its name.
    const bool synced = ::fsync(fd_) == 0;
    ::close(std::exchange(fd_, -1));
    const int folder = ::open(rules_.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool named = folder >= 0 && ::fsync(folder) == 0;
    if (folder >= 0) ::close(folder);
    if (!synced || !named) return fail(ErrorCode::kUnavailable, "The recording cannot be stored; is the disk full?");
    uploaded_.hash = hash_->take();
    return {};
}

Result<Uploaded> Upload::finish() {
    if (!has_file_) {
        return fail(ErrorCode::kFailedValidation,
                    fmt::format("{}: is missing; the recording belongs there.", rules_.file_fields.front()));
    }
    if (uploaded_.bytes == 0) {
        return fail(ErrorCode::kFailedValidation, fmt::format("{}: is empty.", rules_.file_fields.front()));
    }
    for (const auto& [name, values] : uploaded_.fields) {
        for (const std::string& value : values) {
            if (!utf8::is_valid(name) || !utf8::is_valid(value)) {
                return fail(ErrorCode::kFailedValidation, "A field of the form is no UTF-8.");
            }
        }
    }
    return std::move(uploaded_);
}

}  // namespace tidegate::speech
