#include "audit/proof/checkpoint.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "audit/proof/base64.h"
#include "base/strings.h"

namespace tidegate::audit::proof {
namespace {

constexpr std::size_t kExtensionsMax = 16;

std::unexpected<Error> malformed_checkpoint(const char* why) {
    return fail(ErrorCode::kInvalidArgument, std::string("not a checkpoint: ") + why);
}

std::unexpected<Error> checkpoint_file_error(const char* what) {
    return fail(ErrorCode::kUnavailable,
                fmt::format("the checkpoint file cannot be {}: {}", what, std::strerror(errno)));
}

Result<std::string> read_from(int fd, std::uint64_t offset, std::size_t size) {
    std::string bytes(size, '\0');
    for (std::size_t done = 0; done < size;) {
        const ssize_t n = ::pread(fd, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
        if (n <= 0) return checkpoint_file_error("read");
        done += static_cast<std::size_t>(n);
    }
    return bytes;
}

// Twice the largest note: in so many bytes at the end of a file there is the end of one, and a whole one behind it.
constexpr std::size_t kTailBytes = 2 * SignedNote::kBytesMax;

// Where the first note begins that begins in these bytes of the middle of a file: only a note's end has a signature before its empty line.
std::size_t first_note(std::string_view bytes) {
    for (std::size_t gap = bytes.find("\n\n"); gap != std::string_view::npos; gap = bytes.find("\n\n", gap + 1)) {
        const std::size_t line = bytes.rfind('\n', gap - 1);
        if (line != std::string_view::npos && bytes.substr(line + 1).starts_with("\xE2\x80\x94 ")) return gap + 2;
    }
    return bytes.size();
}

Result<TreeHead> head_of(std::string_view note) {
    TG_TRY(const SignedNote parsed, parse_note(note));
    TG_TRY(const Checkpoint checkpoint, parse_checkpoint(parsed.text));
    return checkpoint.head;
}

struct Tail {
    std::string note;         // The last; empty: there is none.
    std::uint64_t sound = 0;  // Where the whole ones end.
};

Result<Tail> read_tail(int fd, std::uint64_t size) {
    const std::uint64_t from = size > kTailBytes ? size - kTailBytes : 0;
    TG_TRY(const std::string bytes, read_from(fd, from, size - from));
    const std::size_t begin = from == 0 ? 0 : first_note(bytes);
    Tail tail{.note = {}, .sound = from + begin};
    for (const std::string_view note : split_checkpoints(std::string_view(bytes).substr(begin))) {
        TG_CHECK(head_of(note));
        tail.note = note;
        tail.sound += note.size() + 1;
    }
    if (from != 0 && tail.note.empty()) return fail(ErrorCode::kDataLoss, "the checkpoint file ends in what is none");
    return tail;
}

}  // namespace

std::string to_text(const Checkpoint& checkpoint) {
    const Sha256& root = checkpoint.head.root;
    std::string text = fmt::format("{}\n{}\n{}\n", checkpoint.origin, checkpoint.head.size,
                                   encode_base64({reinterpret_cast<const char*>(root.data()), root.size()}));
    for (const std::string& line : checkpoint.extensions) text.append(line).append("\n");
    return text;
}

Result<Checkpoint> parse_checkpoint(std::string_view text) {
    if (!text.ends_with('\n')) return malformed_checkpoint("it ends within a line");
    const std::vector<std::string_view> lines = split(text.substr(0, text.size() - 1), '\n');
    if (lines.size() < 3 || lines.size() > 3 + kExtensionsMax)
        return malformed_checkpoint("it has too few or too many lines");
    if (std::ranges::any_of(lines, &std::string_view::empty)) return malformed_checkpoint("it has an empty line");
    Checkpoint checkpoint;
    checkpoint.origin = lines[0];
    const auto size = parse_u64(lines[1]);
    if (!size || *size > kTreeSizeMax || std::to_string(*size) != lines[1])
        return malformed_checkpoint("its size is no number");
    checkpoint.head.size = *size;
    const auto root = decode_base64(lines[2]);
    if (!root || root->size() != checkpoint.head.root.size()) return malformed_checkpoint("its root is no hash");
    std::memcpy(checkpoint.head.root.data(), root->data(), root->size());
    checkpoint.extensions.assign(lines.begin() + 3, lines.end());
    return checkpoint;
}

std::string sign_checkpoint(const TreeHead& head, UnixMillis now, const SigningKey& key) {
    SignedNote note;
    note.text = to_text({key.verifier().name(), head, {fmt::format("time {}", now)}});
    note.signatures.push_back(key.sign(note.text));
    return format_note(note);
}

Result<Checkpoint> open_checkpoint(std::string_view note, const std::vector<VerifierKey>& keys) {
    TG_TRY(const SignedNote parsed, parse_note(note));
    TG_CHECK(check_note(parsed, keys));
    TG_TRY(Checkpoint checkpoint, parse_checkpoint(parsed.text));
    const bool own = std::ranges::any_of(parsed.signatures, [&](const NoteSignature& signature) {
        return signature.name == checkpoint.origin &&
               std::ranges::any_of(keys, [&](const VerifierKey& key) { return key.made(signature); });
    });
    if (!own) return fail(ErrorCode::kPermissionDenied, "the checkpoint is of another log than the key");
    return checkpoint;
}

std::vector<std::string_view> split_checkpoints(std::string_view file) {
    // Text, empty line, signatures, empty line: neither part has an empty line of its own.
    std::vector<std::string_view> notes;
    while (true) {
        const std::size_t gap = file.find("\n\n");
        const std::size_t end = gap == std::string_view::npos ? gap : file.find("\n\n", gap + 2);
        if (end == std::string_view::npos) return notes;
        notes.push_back(file.substr(0, end + 1));
        file.remove_prefix(end + 2);
    }
}

Result<std::string> read_last_checkpoint(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return fail(ErrorCode::kNotFound, "there is no checkpoint file");
    const CheckpointFile closes(fd, std::nullopt);
    struct stat state{};
    if (fd < 0 || ::fstat(fd, &state) != 0) return checkpoint_file_error("opened");
    TG_TRY(Tail tail, read_tail(fd, static_cast<std::uint64_t>(state.st_size)));
    return std::move(tail.note);
}

Result<CheckpointFile> CheckpointFile::open(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    CheckpointFile file(fd, std::nullopt);
    struct stat state{};
    if (fd < 0 || ::fstat(fd, &state) != 0) return checkpoint_file_error("opened");
    TG_TRY(const Tail tail, read_tail(fd, static_cast<std::uint64_t>(state.st_size)));
    file.note_ = tail.note;
    if (!tail.note.empty()) {
        TG_TRY(file.last_, head_of(tail.note));
    }
    if (tail.sound != static_cast<std::uint64_t>(state.st_size) &&
        (::ftruncate(fd, static_cast<off_t>(tail.sound)) != 0 || ::fsync(fd) != 0)) {
        return checkpoint_file_error("cut to its last whole checkpoint");
    }
    return file;
}

CheckpointFile::~CheckpointFile() {
    if (fd_ >= 0) ::close(fd_);
}

CheckpointFile::CheckpointFile(CheckpointFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), last_(other.last_), note_(std::move(other.note_)) {}

Result<void> CheckpointFile::append(std::string_view note) {
    TG_TRY(const TreeHead head, head_of(note));
    if (last_ && head.size <= last_->size) {
        return fail(ErrorCode::kConflict, "a checkpoint must be larger than the one before it");
    }
    const std::string bytes = std::string(note) + "\n";
    if (::write(fd_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
        return checkpoint_file_error("written");
    if (::fdatasync(fd_) != 0) return checkpoint_file_error("synced");
    last_ = head;
    note_ = note;
    return {};
}

}  // namespace tidegate::audit::proof
