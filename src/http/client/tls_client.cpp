#include "http/client/tls_client.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "http/client/addresses.h"

namespace tidegate::http {
namespace {

// What one TLS record carries.
constexpr std::size_t kRecordBytes = 16 * 1024;
constexpr std::array<unsigned char, 9> kProtocols = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
// Debian's bundle. OpenSSL's own default there is a folder that is read during handshakes, on the loop.
constexpr const char* kSystemBundle = "/etc/ssl/certs/ca-certificates.crt";

std::string openssl_error() {
    const unsigned long code = ::ERR_peek_last_error();
    ::ERR_clear_error();
    const char* reason = ::ERR_reason_error_string(code);
    return reason != nullptr ? reason : "no reason given";
}

// A socket BIO of our own: OpenSSL's writes with write(), which raises SIGPIPE when the other side has left.
int socket_of(BIO* bio) {
    return static_cast<int>(reinterpret_cast<std::intptr_t>(::BIO_get_data(bio)));
}

int bio_write(BIO* bio, const char* bytes, int count) {
    ::BIO_clear_retry_flags(bio);
    const ssize_t sent = ::send(socket_of(bio), bytes, static_cast<std::size_t>(count), MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) ::BIO_set_retry_write(bio);
    return static_cast<int>(sent);
}

int bio_read(BIO* bio, char* bytes, int count) {
    ::BIO_clear_retry_flags(bio);
    const ssize_t got = ::recv(socket_of(bio), bytes, static_cast<std::size_t>(count), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) ::BIO_set_retry_read(bio);
    return static_cast<int>(got);
}

long bio_control(BIO*, int command, long, void*) {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

int bio_create(BIO* bio) {
    ::BIO_set_init(bio, 1);
    return 1;
}

BIO_METHOD* socket_method() {
    static BIO_METHOD* const method = [] {
        BIO_METHOD* made = ::BIO_meth_new(::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "upstream without SIGPIPE");
        ::BIO_meth_set_write(made, bio_write);
        ::BIO_meth_set_read(made, bio_read);
        ::BIO_meth_set_ctrl(made, bio_control);
        ::BIO_meth_set_create(made, bio_create);
        return made;
    }();
    return method;
}

struct SslDeleter {
    void operator()(SSL* ssl) const noexcept { ::SSL_free(ssl); }
};
struct ContextDeleter {
    void operator()(SSL_CTX* context) const noexcept { ::SSL_CTX_free(context); }
};

class OpenSslTransport final : public TlsClientTransport {
  public:
    OpenSslTransport(std::unique_ptr<SSL, SslDeleter> ssl, int socket) : ssl_(std::move(ssl)), socket_(socket) {}
    ~OpenSslTransport() override {
        ssl_.reset();
        ::close(socket_);
    }
    OpenSslTransport(const OpenSslTransport&) = delete;
    OpenSslTransport& operator=(const OpenSslTransport&) = delete;

    IoStatus handshake() override {
        wants_write_ = false;
        ::ERR_clear_error();
        const int done = ::SSL_connect(ssl_.get());
        if (done == 1) {
            established_ = true;
            return IoStatus::kOk;
        }
        const long verdict = ::SSL_get_verify_result(ssl_.get());
        const IoStatus status = classify(done).status;
        if (status == IoStatus::kWouldBlock) return status;
        // The verdict says what the reason on OpenSSL's list (`certificate verify failed`) does not.
        const bool verifies = ::SSL_get_verify_mode(ssl_.get()) != SSL_VERIFY_NONE;
        if (verifies && verdict != X509_V_OK) failure_ = ::X509_verify_cert_error_string(verdict);
        return IoStatus::kFailed;
    }
    std::string failure() const override { return failure_; }

    IoResult read(std::span<char> into) override {
        ::ERR_clear_error();
        std::size_t got = 0;
        const int done = ::SSL_read_ex(ssl_.get(), into.data(), into.size(), &got);
        if (done == 1) return {IoStatus::kOk, got};
        return classify(done);
    }

    IoResult write(std::span<const iovec> pieces) override {
        // Head and body in one record. A retry after kWouldBlock offers the same bytes again, perhaps with more behind, which
        // is what OpenSSL wants of a retry.
        std::array<char, kRecordBytes> record;
        const void* bytes = pieces.front().iov_base;
        std::size_t count = std::min(pieces.front().iov_len, kRecordBytes);
        if (count < kRecordBytes && pieces.size() > 1) {
            count = 0;
            for (const iovec& piece : pieces) {
                const std::size_t part = std::min(piece.iov_len, kRecordBytes - count);
                if (part > 0) std::memcpy(record.data() + count, piece.iov_base, part);
                count += part;
            }
            bytes = record.data();
        }
        ::ERR_clear_error();
        std::size_t sent = 0;
        const int done = ::SSL_write_ex(ssl_.get(), bytes, count, &sent);
        if (done == 1) return {IoStatus::kOk, sent};
        return classify(done);
    }

    void shutdown_write() override {
        if (established_ && !failed_) {
            ::ERR_clear_error();
            ::SSL_shutdown(ssl_.get());
        }
        ::shutdown(socket_, SHUT_WR);
    }
    bool read_pending() const noexcept override { return ::SSL_has_pending(ssl_.get()) == 1; }
    bool wants_write() const noexcept override { return wants_write_; }
    bool handshaking() const noexcept override { return !established_; }
    bool tls() const noexcept override { return true; }
    int descriptor() const noexcept override { return socket_; }

  private:
    IoResult classify(int done) {
        const int error = ::SSL_get_error(ssl_.get(), done);
        if (error == SSL_ERROR_WANT_READ) return {IoStatus::kWouldBlock, 0};
        if (error == SSL_ERROR_WANT_WRITE) {
            wants_write_ = true;
            return {IoStatus::kWouldBlock, 0};
        }
        if (error == SSL_ERROR_ZERO_RETURN) return {IoStatus::kEnd, 0};
        // A connection ended without close_notify counts as broken: it may have been cut by somebody else.
        failure_ = error == SSL_ERROR_SYSCALL ? "the connection ended" : openssl_error();
        ::ERR_clear_error();
        failed_ = true;
        return {IoStatus::kFailed, 0};
    }

    std::unique_ptr<SSL, SslDeleter> ssl_;
    const int socket_;
    std::string failure_;
    bool established_ = false;
    bool wants_write_ = false;
    bool failed_ = false;
};

class Context final : public TlsClientContext {
  public:
    explicit Context(std::unique_ptr<SSL_CTX, ContextDeleter> context) : context_(std::move(context)) {}

    std::unique_ptr<TlsClientTransport> connect(int socket, const std::string& name) override {
        std::unique_ptr<SSL, SslDeleter> ssl(::SSL_new(context_.get()));
        BIO* bio = ssl && expect(*ssl, name) ? ::BIO_new(socket_method()) : nullptr;
        if (bio == nullptr) {
            ::ERR_clear_error();
            ::close(socket);
            return nullptr;
        }
        ::BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(socket)));
        ::SSL_set_bio(ssl.get(), bio, bio);
        ::SSL_set_connect_state(ssl.get());
        return std::make_unique<OpenSslTransport>(std::move(ssl), socket);
    }

  private:
    /// Whom the certificate has to name; what SNI asks for.
    static bool expect(SSL& ssl, const std::string& name) {
        if (numeric_address(name)) return ::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(&ssl), name.c_str()) == 1;
        ::SSL_set_hostflags(&ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        if (::SSL_set1_host(&ssl, name.c_str()) != 1) return false;
        // SSL_set_tlsext_host_name(), whose macro has casts in it.
        return ::SSL_ctrl(&ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                          const_cast<char*>(name.c_str())) == 1;
    }

    std::unique_ptr<SSL_CTX, ContextDeleter> context_;
};

bool load_trusted(SSL_CTX* context, const std::string& ca_file) {
    if (!ca_file.empty()) return ::SSL_CTX_load_verify_file(context, ca_file.c_str()) == 1;
    if (::access(kSystemBundle, R_OK) == 0) return ::SSL_CTX_load_verify_file(context, kSystemBundle) == 1;
    return ::SSL_CTX_set_default_verify_paths(context) == 1;
}

}  // namespace

Result<std::shared_ptr<TlsClientContext>> TlsClientContext::create(const std::string& ca_file, bool verify) {
    ::ERR_clear_error();
    std::unique_ptr<SSL_CTX, ContextDeleter> context(::SSL_CTX_new(::TLS_client_method()));
    if (!context) return fail(ErrorCode::kUnavailable, "OpenSSL: " + openssl_error());
    ::SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    ::SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    ::SSL_CTX_set_mode(context.get(),
                       SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // A record costs one recv() instead of two (its head, its rest).
    ::SSL_CTX_set_read_ahead(context.get(), 1);
    ::SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    ::SSL_CTX_set_alpn_protos(context.get(), kProtocols.data(), kProtocols.size());
    ::SSL_CTX_set_verify(context.get(), verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    if (verify && !load_trusted(context.get(), ca_file)) {
        return fail(ErrorCode::kInvalidArgument, "the file of trusted certificates cannot be used: " + openssl_error());
    }
    return std::shared_ptr<TlsClientContext>(std::make_shared<Context>(std::move(context)));
}

}  // namespace tidegate::http
