// TLS over a real socket, with a certificate made here.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "http/test_server.h"

namespace tidegate::http {
namespace {

using std::chrono::milliseconds;

template <auto Free>
struct Deleter {
    template <class T>
    void operator()(T* object) const {
        Free(object);
    }
};
using File = std::unique_ptr<std::FILE, Deleter<&std::fclose>>;
using SslContext = std::unique_ptr<SSL_CTX, Deleter<&SSL_CTX_free>>;
using Ssl = std::unique_ptr<SSL, Deleter<&SSL_free>>;

/// A self-signed certificate for localhost in a folder of its own.
class Certificate {
  public:
    Certificate() {
        std::string pattern = (std::filesystem::temp_directory_path() / "tidegate-tls-XXXXXX").string();
        folder_ = ::mkdtemp(pattern.data());
        const std::unique_ptr<EVP_PKEY, Deleter<&EVP_PKEY_free>> key(
            ::EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
        const std::unique_ptr<X509, Deleter<&X509_free>> certificate(::X509_new());
        ::ASN1_INTEGER_set(::X509_get_serialNumber(certificate.get()), 1);
        ::X509_gmtime_adj(::X509_getm_notBefore(certificate.get()), -60);
        ::X509_gmtime_adj(::X509_getm_notAfter(certificate.get()), 3600);
        ::X509_set_pubkey(certificate.get(), key.get());
        X509_NAME* name = ::X509_get_subject_name(certificate.get());
        ::X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"), -1,
                                     -1, 0);
        ::X509_set_issuer_name(certificate.get(), name);
        ::X509_sign(certificate.get(), key.get(), ::EVP_sha256());
        const File certificate_file(std::fopen(certificate_path().c_str(), "w"));
        ::PEM_write_X509(certificate_file.get(), certificate.get());
        const File key_file(std::fopen(key_path().c_str(), "w"));
        ::PEM_write_PrivateKey(key_file.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    }
    ~Certificate() { std::filesystem::remove_all(folder_); }
    Certificate(const Certificate&) = delete;
    Certificate& operator=(const Certificate&) = delete;
    std::string certificate_path() const { return folder_ + "/certificate.pem"; }
    std::string key_path() const { return folder_ + "/key.pem"; }

  private:
    std::string folder_;
};

ServerOptions tls_options(const Certificate& certificate) {
    ServerOptions options;
    options.tls = std::make_unique<TlsFiles>(certificate.certificate_path(), certificate.key_path());
    return options;
}

/// A blocking TLS client over a RawClient's socket.
class TlsClient {
  public:
    TlsClient(RawClient& socket, int version_max, const std::string& protocols = {}) {
        context_.reset(::SSL_CTX_new(::TLS_client_method()));
        // The client's own defaults must not be what refuses the old version.
        ::SSL_CTX_set_security_level(context_.get(), 0);
        ::SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
        ::SSL_CTX_set_max_proto_version(context_.get(), version_max);
        ssl_.reset(::SSL_new(context_.get()));
        if (!protocols.empty()) {
            ::SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(protocols.data()),
                                  static_cast<unsigned>(protocols.size()));
        }
        ::SSL_set_fd(ssl_.get(), socket.descriptor());
        connected_ = ::SSL_connect(ssl_.get()) == 1;
    }
    bool connected() const { return connected_; }
    SSL* ssl() { return ssl_.get(); }
    bool write(std::string_view bytes) {
        std::size_t sent = 0;
        return ::SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &sent) == 1 && sent == bytes.size();
    }
    /// Reads until `bytes` have come or the connection ends.
    std::string read(std::size_t bytes) {
        std::string out;
        char buffer[16384];
        std::size_t got = 0;
        while (out.size() < bytes && ::SSL_read_ex(ssl_.get(), buffer, sizeof buffer, &got) == 1)
            out.append(buffer, got);
        return out;
    }

  private:
    SslContext context_;
    Ssl ssl_;
    bool connected_ = false;
};

TEST(Tls, VersionsTwelveAndThirteenAreServed) {
    const Certificate certificate;
    TestServer server(tls_options(certificate));
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        RawClient socket = server.connect();
        TlsClient client(socket, version, std::string("\x02h2\x08http/1.1", 12));
        ASSERT_TRUE(client.connected()) << version;
        EXPECT_EQ(::SSL_version(client.ssl()), version);
        const unsigned char* protocol = nullptr;
        unsigned length = 0;
        ::SSL_get0_alpn_selected(client.ssl(), &protocol, &length);
        EXPECT_EQ(length, 8U);
        for (int i = 0; i < 3; ++i) {
            ASSERT_TRUE(client.write(get("/secret")));
            EXPECT_NE(client.read(1).find("secret"), std::string::npos);
        }
    }
}

TEST(Tls, LargeBodiesComeThroughBothWays) {
    const Certificate certificate;
    TestServer server(tls_options(certificate));
    RawClient socket = server.connect();
    TlsClient client(socket, TLS1_3_VERSION);
    ASSERT_TRUE(client.connected());
    std::string body(900'000, 'x');
    for (std::size_t i = 0; i < body.size(); i += 101) body[i] = static_cast<char>('a' + i % 26);
    ASSERT_TRUE(client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n" + body));
    const std::string answer = client.read(900'000 + 50);
    EXPECT_TRUE(answer.ends_with(body));
}

TEST(Tls, OlderVersionsAndForeignProtocolsAreRefused) {
    const Certificate certificate;
    TestServer server(tls_options(certificate));
    for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
        RawClient socket = server.connect();
        EXPECT_FALSE(TlsClient(socket, version).connected()) << version;
    }
    RawClient socket = server.connect();
    EXPECT_FALSE(TlsClient(socket, TLS1_3_VERSION, std::string("\x02h2", 3)).connected());
    RawClient plain = server.connect();
    plain.send(get("/"));
    EXPECT_TRUE(plain.receive_all().has_value());
    EXPECT_EQ(server.application.requests.load(), 0);
    RawClient good = server.connect();
    EXPECT_TRUE(TlsClient(good, TLS1_3_VERSION).connected());
}

TEST(Tls, RenegotiationIsRefused) {
    const Certificate certificate;
    TestServer server(tls_options(certificate));
    RawClient socket = server.connect();
    TlsClient client(socket, TLS1_2_VERSION);
    ASSERT_TRUE(client.connected());
    ::SSL_renegotiate(client.ssl());
    EXPECT_NE(::SSL_do_handshake(client.ssl()), 1);
}

TEST(Tls, HalfAClientHelloIsCutAfterTheHandshakeTime) {
    const Certificate certificate;
    ServerOptions options = tls_options(certificate);
    options.limits.tls_handshake_max = milliseconds(150);
    TestServer server(std::move(options));
    RawClient client = server.connect();
    client.send(std::string_view("\x16\x03\x01\x02\x00\x01\x00", 7));
    EXPECT_TRUE(client.closed_by_server());
    RawClient dripping = server.connect();
    dripping.send(std::string_view("\x16\x03\x01\x02\x00\x01\x00", 7));
    bool open = true;
    for (int i = 0; i < 100 && open; ++i) {
        open = dripping.send(std::string_view("\0", 1));
        testing::rest(std::chrono::milliseconds(10));
    }
    EXPECT_TRUE(dripping.receive_all().has_value());
    EXPECT_EQ(server.server->counters().timeouts.load(), 2U);
}

TEST(Tls, ACertificateThatCannotBeUsedStopsTheStart) {
    const Certificate one;
    const Certificate other;
    TestApplication application;
    const SystemClock clock;
    const auto create = [&](const std::string& certificate, const std::string& key) {
        ServerOptions options;
        options.port = 0;
        options.tls = std::make_unique<TlsFiles>(certificate, key);
        const auto server = Server::create(std::move(options), application, clock);
        return server ? ErrorCode::kInternal : server.error().code;
    };
    EXPECT_EQ(create(one.certificate_path(), other.key_path()), ErrorCode::kInvalidArgument);
    EXPECT_EQ(create(one.certificate_path() + ".none", one.key_path()), ErrorCode::kInvalidArgument);
    EXPECT_EQ(create(one.certificate_path(), one.certificate_path()), ErrorCode::kInvalidArgument);
}

TEST(Tls, AnEncryptedKeyStopsTheStartWithoutAskingForItsPassphrase) {
    const Certificate certificate;
    {
        const File source(std::fopen(certificate.key_path().c_str(), "r"));
        const std::unique_ptr<EVP_PKEY, Deleter<&EVP_PKEY_free>> key(
            ::PEM_read_PrivateKey(source.get(), nullptr, nullptr, nullptr));
        const File target(std::fopen(certificate.key_path().c_str(), "w"));
        const std::string passphrase = "secret";
        ::PEM_write_PrivateKey(target.get(), key.get(), ::EVP_aes_128_cbc(),
                               reinterpret_cast<const unsigned char*>(passphrase.data()), 6, nullptr, nullptr);
    }
    ServerOptions options = tls_options(certificate);
    options.port = 0;
    TestApplication application;
    const SystemClock clock;
    const auto server = Server::create(std::move(options), application, clock);
    ASSERT_FALSE(server.has_value());
    EXPECT_EQ(server.error().code, ErrorCode::kInvalidArgument);
    EXPECT_TRUE(server.error().message.contains("passphrase")) << server.error().message;
}

}  // namespace
}  // namespace tidegate::http
