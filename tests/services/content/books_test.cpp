// Users, cards, attributions, tokens: never below zero, never made or lost by a transfer, in ledger.db as in PostgreSQL.
#include "services/content/books_fixture.h"

namespace tidegate::content {
namespace {

TEST(Amounts, AreDecimalsOfEightPlaces) {
    EXPECT_EQ(parse_amount("0.1"), 10'000'000);
    EXPECT_EQ(parse_amount("12.00000001"), 1'200'000'001);
    EXPECT_EQ(parse_amount("1000000000"), kAmountMax);
    for (const std::string_view wrong : {"", "0", "0.0", "-1", "+1", "1.", ".5", "1e3", " 1", "1.000000001",
                                         "1000000000.00000001", "99999999999", "1,5", "NaN"}) {
        EXPECT_FALSE(parse_amount(wrong)) << wrong;
    }
    EXPECT_EQ(format_amount(-10'000'001), "-0.10000001");
    EXPECT_EQ(format_amount(3 * kToken), "3.00000000");
}

class BothBooks : public BooksTest {};

TEST_P(BothBooks, ATransferMovesWhatItSaysAndNothingElse) {
    add(kAnn, "ann");
    add(kBob, "bob");
    ASSERT_TRUE(write()->award(kAnn, "ann", 5 * kToken, {}));
    const Transfer done = write()->transfer(kAnn, "ann", "bob", 2 * kToken, {}).value();
    EXPECT_EQ(done.from_balance, 3 * kToken);
    EXPECT_EQ(done.to_balance, 2 * kToken);
    EXPECT_EQ(balance("ann"), 3 * kToken);
    EXPECT_EQ(balance("bob"), 2 * kToken);
    const auto page = books_->transfers(kAnn, "ann", 0, 10).value();
    ASSERT_EQ(page.items.size(), 2U);
    EXPECT_EQ(page.items[0].to_user_id, "bob");
    EXPECT_TRUE(page.items[1].from_user_id.empty());
    const TokenStats stats = books_->stats(kAnn, "ann").value();
    EXPECT_EQ(stats.earned, 5 * kToken);
    EXPECT_EQ(stats.spent, 2 * kToken);
    EXPECT_EQ(stats.minted, 5 * kToken);
    expect_sound();
}

TEST_P(BothBooks, ATransferThatMayNotBeLeavesAllAsItWas) {
    add(kAnn, "ann");
    add(kBob, "bob");
    ASSERT_TRUE(write()->award(kAnn, "ann", kToken, {}));
    EXPECT_EQ(transfer_fails(kAnn, "ann", "bob", kToken + 1), ErrorCode::kFailedValidation);
    EXPECT_EQ(transfer_fails(kAnn, "ann", "ann", 1), ErrorCode::kFailedValidation);
    EXPECT_EQ(transfer_fails(kAnn, "ann", "nobody", 1), ErrorCode::kNotFound);
    EXPECT_EQ(transfer_fails(kBob, "ann", "bob", 1), ErrorCode::kPermissionDenied);
    EXPECT_EQ(transfer_fails(kElsewhere, "ann", "bob", 1), ErrorCode::kNotFound);
    EXPECT_EQ(balance("ann"), kToken);
    expect_sound();
}

TEST_P(BothBooks, EntriesCanNeitherBeChangedNorRemoved) {
    add(kAnn, "ann");
    ASSERT_TRUE(write()->award(kAnn, "ann", kToken, {}));
    for (const std::string_view sql :
         {"UPDATE entries SET amount = 1", "DELETE FROM entries", "UPDATE transfers SET amount = 1",
          "DELETE FROM transfers", "UPDATE accounts SET balance = -1 WHERE kind = 'user'"}) {
        EXPECT_FALSE(execute({sql})) << sql;
    }
}

TEST_P(BothBooks, ReconciliationFindsABalanceThatDoesNotFollowFromItsEntries) {
    const User ann = add(kAnn, "ann");
    ASSERT_TRUE(write()->award(kAnn, "ann", kToken, {}));
    expect_sound();
    ASSERT_TRUE(execute({"UPDATE accounts SET balance = balance + 1 WHERE kind = 'user'"}));
    const Reconciliation found = books_->reconcile().value();
    ASSERT_EQ(found.faults.size(), 1U);
    EXPECT_EQ(found.faults[0],
              "account " + std::to_string(ann.account) + ": its entries add up to 100000000, its balance is 100000001");
    EXPECT_FALSE(found.sound());
}

TEST_P(BothBooks, PublishingEarnsOnceAndOnlyWhereOthersMayRead) {
    add(kAnn, "ann");
    add_card(kAnn, "ann", "open", "BUSINESS");
    add_card(kAnn, "ann", "shut", "PRIVATE");
    EXPECT_EQ(write()->publish(kAnn, "shut").error().code, ErrorCode::kFailedValidation);
    Card card = write()->publish(kAnn, "open").value();
    EXPECT_TRUE(card.published);
    EXPECT_EQ(card.published_url, "/cards/title-of-open-open");
    EXPECT_EQ(balance("ann"), kPublishReward);
    card.privacy_level = "PRIVATE";
    EXPECT_FALSE(write()->change_card(kAnn, card).value().published);
    card.privacy_level = "IDEAS";
    ASSERT_TRUE(write()->change_card(kAnn, card));
    ASSERT_TRUE(write()->publish(kAnn, "open"));
    EXPECT_EQ(balance("ann"), kPublishReward);
    EXPECT_EQ(write()->publish(kBob, "open").error().code, ErrorCode::kPermissionDenied);
}

TEST_P(BothBooks, APrivateCardIsThereForItsOwnerAlone) {
    add(kAnn, "ann");
    add_card(kAnn, "ann", "shut", "PERSONAL");
    add_card(kAnn, "ann", "open", "IDEAS");
    EXPECT_EQ(books_->card(kBob, "shut").error().code, ErrorCode::kNotFound);
    EXPECT_EQ(books_->cards(kBob, {}, 0, 10).value().items.size(), 1U);
    EXPECT_EQ(books_->cards(kAnn, {}, 0, 10).value().items.size(), 2U);
    EXPECT_EQ(books_->cards({"t", "key:root", true}, {}, 0, 10).value().items.size(), 2U);
    CardFilter filter;
    filter.text = "TITLE OF SHUT";
    EXPECT_EQ(books_->cards(kAnn, filter, 0, 10).value().items.size(), 1U);
    EXPECT_EQ(books_->cards(kElsewhere, {}, 0, 10).value().items.size(), 0U);
    ASSERT_TRUE(write()->remove_card(kAnn, "shut"));
    EXPECT_EQ(books_->card(kAnn, "shut").error().code, ErrorCode::kNotFound);
}

TEST_P(BothBooks, AnAttributionPaysTheAuthorOnceOrIsNotThere) {
    add(kAnn, "ann");
    add(kBob, "bob");
    add_card(kAnn, "ann", "source", "IDEAS");
    add_card(kAnn, "ann", "mine", "IDEAS");
    add_card(kBob, "bob", "target", "IDEAS");
    EXPECT_EQ(cite(kBob, "source", "target", "remix").error().code, ErrorCode::kFailedValidation);  // No tokens.
    ASSERT_TRUE(write()->award(kBob, "bob", kToken, {}));
    EXPECT_EQ(cite(kBob, "source", "target", "remix").value().amount, kToken / 2);
    EXPECT_EQ(cite(kBob, "source", "target", "remix").error().code, ErrorCode::kConflict);
    EXPECT_EQ(cite(kBob, "source", "target", "citation").value().amount, kToken / 10);
    EXPECT_EQ(cite(kBob, "source", "target", "reply").value().amount, kToken / 20);
    EXPECT_EQ(cite(kBob, "target", "target", "reply").error().code, ErrorCode::kFailedValidation);
    EXPECT_EQ(cite(kBob, "target", "mine", "reply").error().code, ErrorCode::kPermissionDenied);
    EXPECT_EQ(cite(kBob, "source", "nothing", "reply").error().code, ErrorCode::kNotFound);
    EXPECT_EQ(cite(kBob, "source", "target", "theft").error().code, ErrorCode::kFailedValidation);
    EXPECT_EQ(cite(kAnn, "source", "mine", "citation").value().amount, 0);  // Nothing is owed to oneself.
    EXPECT_EQ(balance("ann"), kToken * 65 / 100);
    EXPECT_EQ(balance("bob"), kToken * 35 / 100);
    EXPECT_EQ(books_->attributions_of_card(kAnn, "source", 0, 10).value().items.size(), 4U);
    EXPECT_EQ(books_->attributions_received(kAnn, "ann", 0, 10).value().items.size(), 4U);
    EXPECT_EQ(books_->attributions_about(kAnn, "target", 10).value().size(), 3U);
    expect_sound();
}

TEST_P(BothBooks, AnAttributionDoesNotShowAPrivateCardToOthers) {
    add(kAnn, "ann");
    add(kBob, "bob");
    ASSERT_TRUE(write()->award(kBob, "bob", kToken, {}));
    add_card(kAnn, "ann", "open", "IDEAS");
    add_card(kBob, "bob", "shut", "PRIVATE");
    add_card(kBob, "bob", "also", "PRIVATE");
    Attribution wanted;
    wanted.source_card_id = "open";
    wanted.target_card_id = "shut";
    wanted.type = "citation";
    wanted.context = "Secret";
    wanted.excerpt = "Secret";
    const std::string id = write()->attribute(kBob, wanted, R"({"a":1})").value().id;
    const std::string hidden = cite(kBob, "also", "shut", "citation").value().id;
    const Actor root{"t", "key:root", true};
    for (const Actor& actor : {kAnn, kBob, root}) {
        const bool sees = actor.name != kAnn.name;
        for (const Attribution& one : {books_->attribution(actor, id).value(),
                                       books_->attributions_of_card(actor, "open", 0, 9).value().items.at(0),
                                       books_->attributions_received(actor, "ann", 0, 9).value().items.at(0),
                                       books_->attributions_about(actor, "open", 9).value().at(0)}) {
            EXPECT_EQ(one.source_card_id, "open");
            EXPECT_EQ(one.author_id, "ann");
            EXPECT_EQ(one.target_card_id, sees ? "shut" : "");
            EXPECT_EQ(one.user_id, sees ? "bob" : "");
            EXPECT_EQ(one.context, sees ? "Secret" : "");
            EXPECT_EQ(one.excerpt, sees ? "Secret" : "");
            EXPECT_EQ(one.metadata, sees ? R"({"a":1})" : "");
        }
        EXPECT_EQ(books_->attribution(actor, hidden).has_value(), sees);
        EXPECT_EQ(books_->attributions_received(actor, "bob", 0, 9).value().items.size(), sees ? 1U : 0U);
    }
}

TEST_P(BothBooks, SumsMayBeMoreThanAllTokensThereAre) {
    add(kAnn, "ann");
    add(kBob, "bob");
    ASSERT_TRUE(write()->award(kAnn, "ann", kAmountMax, {}));
    for (int i = 0; i < 60; ++i) {  // Of 10^17: 63 bits hold 92.
        ASSERT_TRUE(write()->transfer(kAnn, "ann", "bob", kAmountMax, {}));
        ASSERT_TRUE(write()->transfer(kBob, "bob", "ann", kAmountMax, {}));
    }
    add(kElsewhere, "cat");
    for (int i = 0; i < 60; ++i) ASSERT_TRUE(write()->award(kElsewhere, "cat", kAmountMax, {}));
    const TokenStats stats = books_->stats(kBob, "bob").value();
    EXPECT_EQ(format_sum(stats.earned), "60000000000.00000000");
    EXPECT_EQ(format_sum(stats.spent), "60000000000.00000000");
    expect_sound();
}

TEST_P(BothBooks, ReconciliationLetsNoTenantMakeUpForAnother) {
    const User ann = add(kAnn, "ann");
    const User cat = add(kElsewhere, "cat");
    ASSERT_TRUE(write()->award(kAnn, "ann", kToken, {}));
    ASSERT_TRUE(write()->award(kElsewhere, "cat", kToken, {}));
    // As if an entry had been written to an account of another tenant.
    ASSERT_TRUE(
        execute({in_postgres() ? "DROP TRIGGER content_entries_stay ON content_entries" : "DROP TRIGGER entries_stay",
                 "UPDATE entries SET amount = 70000000 WHERE account = " + std::to_string(ann.account),
                 "UPDATE entries SET amount = 130000000 WHERE account = " + std::to_string(cat.account)}));
    const Reconciliation found = books_->reconcile().value();
    EXPECT_FALSE(found.sound());
    EXPECT_NE(found.sum, 0);
    EXPECT_NE(found.faults.at(0).find("its entries add up to 0.30000000, not to 0"), std::string::npos)
        << found.faults.at(0);
}

TEST_P(BothBooks, APageOfLongCardsEndsByItsBytes) {
    add(kAnn, "ann");
    for (int i = 0; i < 3; ++i) {
        Card card = add_card(kAnn, "ann", "c" + std::to_string(i), "IDEAS");
        card.body.assign(std::size_t{5} * 1024 * 1024, 'x');
        ASSERT_TRUE(write()->change_card(kAnn, card));
    }
    const auto first = books_->cards(kAnn, {}, 0, 100).value();
    EXPECT_EQ(first.items.size(), 2U);
    EXPECT_EQ(books_->cards(kAnn, {}, first.next, 100).value().items.at(0).id, "c0");
}

TEST_P(BothBooks, NamesAreOnceATenantWhateverTheirCase) {
    add(kAnn, "ann");
    User again;
    again.username = "ANN";
    EXPECT_EQ(write()->add_user(kBob, again).error().code, ErrorCode::kConflict);
    EXPECT_TRUE(write()->add_user(kElsewhere, again));
}

TEST_P(BothBooks, EveryQuestionOfLedgerDbHasAnIndex) {
    if (in_postgres()) GTEST_SKIP() << "postgres_book_plans_test.cpp asks PostgreSQL";
    const std::vector<std::pair<std::string, std::string>> plans{
        {"SELECT * FROM users WHERE tenant = 't' AND id = 'x'", "users_by_id"},
        {"SELECT 1 FROM users WHERE tenant = 't' AND lower(username) = lower('x')", "users_by_name"},
        {"SELECT * FROM users WHERE tenant = 't' AND row < 9 ORDER BY row DESC LIMIT 3", "users_newest"},
        {"SELECT * FROM cards WHERE tenant = 't' AND id = 'x'", "cards_by_id"},
        {"SELECT * FROM cards WHERE tenant = 't' AND row < 9 AND removed = 0 ORDER BY row DESC LIMIT 3",
         "cards_newest"},
        {"SELECT * FROM cards WHERE user = 1 AND row < 9 AND removed = 0 ORDER BY row DESC LIMIT 3", "cards_of_user"},
        {"SELECT * FROM cards WHERE tenant = 't' AND category = 'x' AND row < 9 AND removed = 0 ORDER BY row DESC "
         "LIMIT 3",
         "cards_of_category"},
        {"SELECT * FROM cards WHERE tenant = 't' AND privacy_level = 'x' AND row < 9 AND removed = 0 ORDER BY row DESC "
         "LIMIT 3",
         "cards_of_level"},
        {"SELECT 1 FROM attributions WHERE source = 1 AND target = 2 AND type = 'x'", "attributions_once"},
        {"SELECT * FROM attributions x WHERE x.source = 1 AND x.row < 9 ORDER BY x.row DESC LIMIT 3",
         "attributions_of_source"},
        {"SELECT * FROM attributions x WHERE x.author = 1 AND x.row < 9 ORDER BY x.row DESC LIMIT 3",
         "attributions_of_author"},
        {"SELECT * FROM entries WHERE account = 1 AND transfer < 9 ORDER BY transfer DESC LIMIT 3", "PRIMARY KEY"},
        {"DELETE FROM answers WHERE created_ms < 9", "answers_by_age"},
        {"SELECT body FROM answers WHERE tenant = 't' AND actor = 'a' AND key = 'k'", "PRIMARY KEY"}};
    for (const auto& [sql, index] : plans) {
        const auto statement = books_->store().prepare("EXPLAIN QUERY PLAN " + sql).value();
        std::string plan;
        while (statement->step().value()) plan += std::string(statement->text(3)) + "; ";
        EXPECT_NE(plan.find(index), std::string::npos) << sql << ": " << plan;
        EXPECT_EQ(plan.find("TEMP B-TREE"), std::string::npos) << sql << ": " << plan;
    }
}

INSTANTIATE_TEST_SUITE_P(Homes, BothBooks, ::testing::Values("sqlite", "postgres"),
                         [](const auto& one) { return one.param; });

}  // namespace
}  // namespace tidegate::content
