// Calls that fail: each kind of trouble is told apart, at the stage where it came, with the truth about trying again.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <string>
#include <utility>

#include "http_client/client_fixture.h"

namespace tidegate::http {
namespace {

CallTimes short_times() {
    CallTimes times;
    times.connect_max = milliseconds(150);
    times.first_byte_max = milliseconds(150);
    times.idle_max = milliseconds(150);
    return times;
}

/// A port on which a connection hangs: the queue of the listener is full.
class HangingListener {
  public:
    HangingListener() {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        address_.sin_family = AF_INET;
        address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::bind(listener_, reinterpret_cast<const sockaddr*>(&address_), sizeof address_), 0);
        EXPECT_EQ(::listen(listener_, 0), 0);
        socklen_t length = sizeof address_;
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address_), &length);
        for (int& socket : fillers_) {
            socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
            // The later ones stay under way, which is the point.
            (void)::connect(socket, reinterpret_cast<const sockaddr*>(&address_), sizeof address_);
        }
    }
    ~HangingListener() {
        for (const int socket : fillers_) ::close(socket);
        ::close(listener_);
    }
    HangingListener(const HangingListener&) = delete;
    HangingListener& operator=(const HangingListener&) = delete;
    std::uint16_t port() const { return ntohs(address_.sin_port); }

  private:
    int listener_ = -1;
    int fillers_[4] = {-1, -1, -1, -1};
    sockaddr_in address_{};
};

TEST_F(ClientTest, aClosedPortIsRefusedAndSafeToRetry) {
    const RefusingPort closed;
    const auto heard = ask(origin(closed.number()), get("/", "POST"));
    expect_failure(*heard, Kind::kRefused, Stage::kConnect, true);
    EXPECT_TRUE(failed(Kind::kRefused, 1));
    EXPECT_EQ(counters.connections_open.load(), 0);
}

TEST_F(ClientTest, aNameWithoutAddressFailsAndIsNotAskedForAgainAtOnce) {
    Origin nowhere = origin(80);
    nowhere.host = "nothing.invalid";
    expect_failure(*ask(nowhere, get()), Kind::kResolve, Stage::kConnect, true);
    expect_failure(*ask(nowhere, get()), Kind::kResolve, Stage::kConnect, true);
    EXPECT_TRUE(counted(counters.name_lookups, std::uint64_t{1}));
}

/// A resolver that knows one answer.
NameCache::Fetch leads_to(std::vector<std::string> hosts) {
    return [hosts = std::move(hosts)](const std::string&) {
        Addresses out;
        for (const std::string& host : hosts) out.push_back(numeric_address(host).value());
        return Result<Addresses>(out);
    };
}

TEST_F(ClientTest, aNameThatLeadsToTheMetadataOfACloudIsNotFollowed) {
    std::uint64_t refused = 0;
    for (const char* address : {"169.254.169.254", "169.254.0.1", "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254",
                                "64:ff9b::a9fe:a9fe"}) {
        make({}, leads_to({address}));
        Origin named = origin(80);
        named.host = "service.test";
        const auto heard = ask(named, get());
        expect_failure(*heard, Kind::kForbidden, Stage::kConnect, true);
        EXPECT_TRUE(failed(Kind::kForbidden, ++refused));
        EXPECT_EQ(counters.connections_opened.load(), 0U);
    }
}

TEST_F(ClientTest, ofSeveralAddressesTheForbiddenOnesAreLeftOut) {
    ScriptedServer server([](Peer& peer) {
        peer.request();
        peer.answer("here");
    });
    make({}, leads_to({"169.254.169.254", "127.0.0.1", "fe80::1"}));
    Origin named = origin(server.port());
    named.host = "service.test";
    EXPECT_EQ(ask(named, get())->body, "here");
}

TEST_F(ClientTest, aLinkLocalAddressIsTriedWhereItIsAllowedOnly) {
    Origin literal = origin(80);
    literal.host = "169.254.169.254";
    expect_failure(*ask(literal, get()), Kind::kForbidden, Stage::kConnect, true);
    literal.allow_link_local = true;
    const auto tried = ask(literal, get(), short_times());
    EXPECT_TRUE(!tried->failure || tried->failure->kind != Kind::kForbidden) << "refused though it is allowed";
}

TEST_F(ClientTest, aLookUpThatHangsCostsTheConnectTimeAndNothingMore) {
    struct Gate {
        Mutex mutex;
        Condition changed;
        bool open TG_GUARDED_BY(mutex) = false;
        void pass() {
            const Lock lock(mutex);
            while (!open) changed.wait(mutex);
        }
        void release() {
            {
                const Lock lock(mutex);
                open = true;
            }
            changed.notify_all();
        }
    } gate;
    make({}, [&](const std::string&) {
        gate.pass();
        return look_up_addresses("127.0.0.1");
    });
    Origin slow = origin(80);
    slow.host = "slow.test";
    expect_failure(*ask(slow, get(), short_times()), Kind::kTimeout, Stage::kConnect, true);
    // Its answer finds nobody any more.
    gate.release();
    pool.stop();
    driver.turn_for(milliseconds(10));
    EXPECT_TRUE(counted(counters.connections_open, std::int64_t{0}));
}

TEST_F(ClientTest, aFullWorkerPoolFailsTheLookUp) {
    pool.stop();
    Origin named = origin(80);
    named.host = "service.test";
    expect_failure(*ask(named, get()), Kind::kResolve, Stage::kConnect, true);
}

TEST_F(ClientTest, aConnectionThatHangsIsGivenUp) {
    const HangingListener hanging;
    expect_failure(*ask(origin(hanging.port()), get(), short_times()), Kind::kTimeout, Stage::kConnect, true);
    EXPECT_TRUE(counted(counters.connections_open, std::int64_t{0})) << "the attempt ends with its call";
}

TEST_F(ClientTest, oneAddressThatHangsLeavesTimeForTheNext) {
    const HangingListener hanging;
    // The next address has a listener on the same port.
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(hanging.port());
    address.sin_addr.s_addr = htonl(0x7F000002);
    ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listener, 8), 0);
    std::thread server([&] {
        Peer peer(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC), 0);
        peer.request();
        peer.answer("second");
    });
    make({}, [](const std::string&) {
        Addresses out = look_up_addresses("127.0.0.1").value();
        out.push_back(look_up_addresses("127.0.0.2").value().front());
        return Result<Addresses>(out);
    });
    Origin named = origin(hanging.port());
    named.host = "service.test";
    CallTimes times;
    times.connect_max = seconds(4);  // Half of it is lost, and the rest is plenty also where others use the machine.
    EXPECT_EQ(ask(named, get(), times)->body, "second");
    ::shutdown(listener, SHUT_RDWR);
    server.join();
    ::close(listener);
}

TEST_F(ClientTest, anUpstreamThatNeverAnswersIsGivenUpAndNotSafe) {
    ScriptedServer server([](Peer& peer) {
        peer.request();
        EXPECT_TRUE(peer.closed_by_client());
    });
    CallTimes times;
    times.first_byte_max = milliseconds(150);
    expect_failure(*ask(server, get(), times), Kind::kTimeout, Stage::kHead, false);
    EXPECT_TRUE(counted(counters.connections_open, std::int64_t{0}));
}

TEST_F(ClientTest, anUpstreamThatStopsInTheMiddleIsGivenUp) {
    ScriptedServer server([](Peer& peer) {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
        EXPECT_TRUE(peer.closed_by_client());
    });
    CallTimes times;
    times.idle_max = milliseconds(150);
    const auto heard = ask(server, get(), times);
    expect_failure(*heard, Kind::kTimeout, Stage::kBody, false);
    EXPECT_EQ(heard->body, "12345");
    EXPECT_EQ(heard->ends, 0);
}

TEST_F(ClientTest, aBodyThatKeepsComingIsNotIdleButEndsWithTheTotal) {
    ScriptedServer server([](Peer& peer) {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\n\r\n");
        while (peer.send(".")) ::poll(nullptr, 0, 10);
    });
    CallTimes times;
    times.idle_max = seconds(2);
    times.total_max = seconds(3);
    const SteadyTime start = driver.clock().now();
    const auto heard = ask(server, get(), times);
    expect_failure(*heard, Kind::kTimeout, Stage::kBody, false);
    EXPECT_GE(driver.clock().now() - start, seconds(3));
    EXPECT_GT(heard->body.size(), 10U);
}

TEST_F(ClientTest, anUpstreamThatTakesNoBytesIsGivenUp) {
    ScriptedServer stuck([](Peer& peer) {
        pollfd gone{peer.descriptor(), POLLRDHUP, 0};
        ::poll(&gone, 1, Peer::kWaitMs);  // Until the client ends the connection.
    });
    ClientRequest request = get("/", "POST");
    request.body.assign(std::size_t{32} * 1024 * 1024, 'x');
    CallTimes times = short_times();
    times.connect_max = seconds(60);
    expect_failure(*ask(stuck, std::move(request), times), Kind::kTimeout, Stage::kSend, false);
}

TEST_F(ClientTest, halfABodyIsAFailureHoweverItEnds) {
    ScriptedServer server([](Peer& peer) {
        peer.request();
        if (peer.number == 0) peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
        if (peer.number == 1) peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n");
        if (peer.number == 2) peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    });
    for (const std::string_view body : {"12345", "12345", ""}) {
        const auto heard = ask(server);
        expect_failure(*heard, Kind::kReset, Stage::kBody, false);
        EXPECT_EQ(heard->body, body);
    }
}

TEST_F(ClientTest, aBodyUntilTheEndOfTheConnectionIsWholeWithThatEnd) {
    ScriptedServer server([](Peer& peer) {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\n\r\n12345");
    });
    const auto whole = ask(server);
    EXPECT_EQ(whole->ends, 1);
    EXPECT_EQ(whole->body, "12345");
    EXPECT_TRUE(counted(counters.connections_open, std::int64_t{0}));
}

TEST_F(ClientTest, aBodyUntilTheEndOfTheConnectionIsNotWholeWithAReset) {
    std::atomic<bool> seen{false};
    ScriptedServer server([&](Peer& peer) {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\n\r\n12345");
        while (!seen) ::poll(nullptr, 0, 1);
        peer.reset();
    });
    auto heard = std::make_shared<Heard>();
    heard->when_body = [&] {
        seen = true;
        return true;
    };
    client->start(origin(server.port()), get(), {}, heard);
    EXPECT_TRUE(driver.until([&] { return heard->over(); }));
    expect_failure(*heard, Kind::kReset, Stage::kBody, false);
}

TEST_F(ClientTest, twoGigabytesAnnouncedCostNoMemory) {
    ScriptedServer server([](Peer& peer) {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2147483648\r\n\r\n");
        const std::string piece(1 << 20, 'x');
        for (int i = 0; i < 64 && peer.send(piece); ++i) {
        }
    });
    auto heard = std::make_shared<Heard>();
    heard->keep_body = false;
    rusage before{};
    ::getrusage(RUSAGE_SELF, &before);
    client->start(origin(server.port()), get(), {}, heard);
    EXPECT_TRUE(driver.until([&] { return heard->over(); }));
    rusage after{};
    ::getrusage(RUSAGE_SELF, &after);
    expect_failure(*heard, Kind::kReset, Stage::kBody, false);
    EXPECT_EQ(heard->head->content_length, 2147483648U);
    EXPECT_EQ(heard->body_bytes, std::uint64_t{64} << 20);
    EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 16 * 1024) << "KiB";
}

TEST_F(ClientTest, badHttpIsAProtocolErrorAndTheConnectionIsClosed) {
    ScriptedServer server([](Peer& peer) {
        static constexpr const char* kAnswers[] = {
            "SSH-2.0-OpenSSH_9\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "HTTP/1.1 200 OK\nContent-Length: 1\n\na",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        };
        peer.request();
        peer.send(kAnswers[peer.number]);
        EXPECT_TRUE(peer.closed_by_client());
    });
    for (int i = 0; i < 5; ++i) {
        const auto heard = ask(server);
        expect_failure(*heard, Kind::kProtocol, Stage::kHead, false);
        EXPECT_FALSE(heard->head.has_value());
    }
    EXPECT_TRUE(counted(counters.connections_open, std::int64_t{0}));
    EXPECT_TRUE(failed(Kind::kProtocol, 5));
}

TEST_F(ClientTest, aBadChunkInTheBodyIsAProtocolError) {
    ScriptedServer server([](Peer& peer) {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n");
        EXPECT_TRUE(peer.closed_by_client());
    });
    const auto heard = ask(server);
    expect_failure(*heard, Kind::kProtocol, Stage::kBody, false);
    EXPECT_EQ(heard->body, "abc");
}

TEST_F(ClientTest, aKeptConnectionThatEndsWithTheRequestIsSafeToRetryForIdempotentMethodsOnly) {
    ScriptedServer server([](Peer& peer) {
        peer.request();
        peer.answer("first");
        peer.request();  // And no answer.
    });
    for (const auto& [method, safe] :
         {std::pair("GET", true), std::pair("POST", false), std::pair("DELETE", true), std::pair("PATCH", false)}) {
        EXPECT_EQ(ask(server)->body, "first");
        expect_failure(*ask(server, get("/", method)), Kind::kReset, Stage::kHead, safe);
    }
}

TEST_F(ClientTest, aFreshConnectionThatEndsIsNotSafeToRetry) {
    ScriptedServer server([](Peer& peer) { peer.request(); });
    expect_failure(*ask(server), Kind::kReset, Stage::kHead, false);
}

TEST_F(ClientTest, aKeptConnectionThatEndsInTheMiddleOfAHeadIsNotSafeToRetry) {
    ScriptedServer server([](Peer& peer) {
        peer.request();
        peer.answer("first");
        peer.request();
        peer.send("HTTP/1.1 2");
    });
    EXPECT_EQ(ask(server)->body, "first");
    expect_failure(*ask(server), Kind::kReset, Stage::kHead, false);
}

TEST_F(ClientTest, aKeptConnectionOnWhichSomethingComesIsNotUsedAgain) {
    std::atomic<bool> go{false};
    ScriptedServer server([&](Peer& peer) {
        peer.request();
        peer.answer("x");
        while (!go) ::poll(nullptr, 0, 1);
        if (peer.number == 0) peer.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
        if (peer.number == 1) return;
        peer.closed_by_client();
    });
    for (std::uint64_t closed = 1; closed <= 2; ++closed) {
        EXPECT_EQ(ask(server)->body, "x");
        EXPECT_TRUE(counted(counters.connections_idle, std::int64_t{1}));
        go = true;
        EXPECT_TRUE(counted(counters.connections_closed_idle, closed));
        EXPECT_EQ(counters.connections_open.load(), 0);
        go = false;
    }
    EXPECT_EQ(ask(server)->body, "x");
    go = true;
    EXPECT_EQ(server.connections(), 3);
}

TEST_F(ClientTest, aRequestThatCannotBeSentIsNotSent) {
    ScriptedServer server([](Peer&) { ADD_FAILURE() << "nothing may come"; });
    ClientRequest request = get();
    request.headers.add("X", "a\r\nEvil: 1");
    const auto heard = ask(server, std::move(request));
    expect_failure(*heard, Kind::kInvalidRequest, Stage::kConnect, true);
    EXPECT_EQ(heard->failure->detail.find("Evil"), std::string::npos);
}

TEST_F(ClientTest, cancellingEndsACallAtEveryStageWithoutAWord) {
    std::uint64_t cancelled = 0;
    enum class When { kAtOnce, kInHead, kInBody, kPaused };
    for (const When when : {When::kAtOnce, When::kInHead, When::kInBody, When::kPaused}) {
        ScriptedServer server([](Peer& peer) {
            peer.request();
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
            EXPECT_TRUE(peer.closed_by_client());
        });
        auto heard = std::make_shared<Heard>();
        CallPtr call;
        if (when == When::kInHead) heard->when_head = [&] { call->cancel(); };
        if (when == When::kInBody || when == When::kPaused) {
            heard->when_body = [&] {
                if (when == When::kInBody) call->cancel();
                return false;
            };
        }
        call = client->start(origin(server.port()), get(), {}, heard);
        if (when == When::kAtOnce) call->cancel();
        if (when == When::kPaused) {
            EXPECT_TRUE(driver.until([&] { return heard->pieces == 1; }));
            call->cancel();
        }
        EXPECT_TRUE(failed(Kind::kCancelled, ++cancelled));
        EXPECT_EQ(counters.connections_open.load(), 0);
        EXPECT_FALSE(heard->over());
        EXPECT_EQ(heard->head.has_value(), when != When::kAtOnce);
        EXPECT_EQ(heard->pieces, when == When::kInBody || when == When::kPaused ? 1 : 0);
        call->cancel();
        call->resume();
        EXPECT_EQ(heard.use_count(), 1);
    }
}

TEST_F(ClientTest, cancellingBeforeTheAnswerClosesTheConnection) {
    std::atomic<bool> asked{false};
    ScriptedServer server([&](Peer& peer) {
        peer.request();
        asked = true;
        EXPECT_TRUE(peer.closed_by_client());
    });
    auto heard = std::make_shared<Heard>();
    const CallPtr call = client->start(origin(server.port()), get(), {}, heard);
    EXPECT_TRUE(driver.until([&] { return asked.load(); }));
    call->cancel();
    EXPECT_TRUE(counted(counters.connections_open, std::int64_t{0}));
    EXPECT_FALSE(heard->over());
}

TEST_F(ClientTest, cancellingAFailureThatHasNotBeenToldKeepsItUntold) {
    ClientRequest request = get("no path");
    auto heard = std::make_shared<Heard>();
    client->start(origin(1), std::move(request), {}, heard)->cancel();
    driver.turn_for(milliseconds(5));
    EXPECT_FALSE(heard->over());
    EXPECT_EQ(heard.use_count(), 1);
}

TEST_F(ClientTest, destroyingTheClientEndsEveryCallWithoutAWord) {
    ScriptedServer server([](Peer& peer) {
        peer.request();
        peer.closed_by_client();
    });
    std::vector<std::shared_ptr<Heard>> all;
    std::vector<CallPtr> calls;
    ClientOptions options;
    options.connections_max = 1;
    make(options);
    for (int i = 0; i < 3; ++i) {
        calls.push_back(client->start(origin(server.port()), get(), {}, all.emplace_back(std::make_shared<Heard>())));
    }
    EXPECT_TRUE(driver.until([&] { return server.connections() == 1; }));
    auto late = all.emplace_back(std::make_shared<Heard>());
    client->start(origin(1), get("bad path"), {}, late);
    client.reset();
    EXPECT_EQ(counters.connections_open.load(), 0);
    EXPECT_EQ(counters.calls_waiting.load(), 0);
    driver.turn_for(milliseconds(10));
    for (const auto& heard : all) EXPECT_FALSE(heard->over());
    for (const CallPtr& call : calls) call->cancel();
}

}  // namespace
}  // namespace tidegate::http
