# Everything that is done here has a target. `make help` lists them.

SHELL := /bin/bash
CARGO ?= cargo
STATE ?= $(CURDIR)/.state
BIN = $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)/debug
# What was built is run as it is: `cargo run -p` would build the dependencies once more, with fewer features.
BUILD = $(CARGO) build -q --workspace --bins
PRIVATE_PG = env -u DATABASE_URL $(BIN)/autopilot-postgres run --ephemeral --state $(STATE)

# As an optimised program of ours is built: the peers too.
RELEASE = CARGO_PROFILE_RELEASE_LTO=thin CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 $(CARGO) build -q --release
RELEASE_BIN = $(BIN:debug=release)
# The server of the benchmark; fsync and synchronous_commit stay on.
BENCH_SETTINGS = shared_buffers=1GB max_connections=200 wal_level=replica max_wal_size=4GB jit=off
BENCH_PG = env -u DATABASE_URL $(RELEASE_BIN)/autopilot-postgres run --state $(STATE) --database bench \
	$(addprefix --set ,$(BENCH_SETTINGS))

# The same server, which also counts statements.
SCALE_PG = env -u DATABASE_URL $(RELEASE_BIN)/autopilot-postgres run --state $(STATE) --database scale \
	$(addprefix --set ,$(BENCH_SETTINGS) shared_preload_libraries=pg_stat_statements)
# Sizes for a trial of two minutes, unless they are given.
ifdef QUICK
JOBS ?= 4000
RUNS ?= 800
WAITING ?= 2000
STUDIOS ?= 200
endif

.PHONY: help demo test model chaos fuzz mutants examples pgmatrix pgbouncer failover contract flood outage storm bench bench-pure scale soak lint fmt sqlx sqlx-check deny ci

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

demo: ## The main job in fifteen seconds, with a worker killed half way. KEEP=1 leaves it running
	@echo "building the program and the demo"
	@$(CARGO) build -q -p autopilot -p autopilot-demo
	@$(BIN)/autopilot-demo

test: ## All tests, on a private Postgres that is started and stopped here
	@echo "building; then every test on a private Postgres in $(STATE)"
	@$(BUILD)
	@AUTOPILOT_REDIS_BIN="$${AUTOPILOT_REDIS_BIN:-$$(.ci/redis $(STATE))}" $(PRIVATE_PG) -- $(CARGO) test --workspace

model: ## Random orders of transitions against a model of the protocol. CASES=2000, PROPTEST_RNG_SEED=n replays a run
	@$(BUILD)
	@AUTOPILOT_MODEL_CASES=$(or $(CASES),2000) $(PRIVATE_PG) -- $(CARGO) test -q -p autopilot-tests --test e2e state_machine

examples: ## Every example, and README's, on a private Postgres, the output compared with what stands beside it
	@$(BUILD)
	@$(PRIVATE_PG) --database examples -- .ci/run-examples $(BIN) examples/jobs
	@$(PRIVATE_PG) --database readme -- .ci/run-readme $(STATE)/readme

pgmatrix: ## The tests and a short storm on Postgres 14 to 18; about an hour. VERSIONS="14 18"
	@$(BUILD)
	@.ci/pgmatrix $(BIN) $(STATE)

pgbouncer: ## The tests and a short storm through PgBouncer in transaction mode; 5 minutes. WORKFLOWS=40 ONLY="limits::"
	@$(BUILD)
	@$(PRIVATE_PG) -- .ci/pgbouncer $(BIN) $(STATE)

# Of each kind of replication what it promises: nothing is lost, or it is told what is. LOSS=refused KIND=async must fail.
FAILOVER = $(BIN)/failover --workflows $(or $(WORKFLOWS),60)
failover: ## The primary dies under load and its standby goes on, with synchronous and asynchronous replication; a minute
	@$(BUILD)
	@$(if $(filter async,$(KIND)),,$(FAILOVER) --folder $(STATE)/failover --replication sync --loss refused)
	@$(if $(filter sync,$(KIND)),,$(FAILOVER) --folder $(STATE)/failover-async --replication async --cut-off 6 --loss $(or $(LOSS),told))

contract: ## The adapters and the sandbox against the providers' official API descriptions and libraries. CONTRACT_SPECS=../shared/specs
	@.ci/node-packages tests/contract/node $(STATE)/contract/node
	@$(BUILD)
	@$(BIN)/contract --node $(STATE)/contract/node --folder $(STATE)/contract

flood: ## 100,000 signed webhooks, some twice, too early or forged, while workers handle them; 5 minutes. EVENTS=100000 CONNECTIONS=64
	@$(BUILD)
	@$(PRIVATE_PG) -- $(BIN)/flood --folder $(STATE)/flood --events $(or $(EVENTS),100000) --connections $(or $(CONNECTIONS),64)

storm: ## The long storm: kill -9 and SIGSTOP over 1,000 workflows. FENCE=off must fail
	@$(BUILD)
	@$(PRIVATE_PG) -- $(BIN)/storm --folder $(STATE)/storm --workflows $(or $(WORKFLOWS),1000) --fence $(or $(FENCE),on)

outage: ## 1,000 studios while each provider is out of order for ten virtual minutes; 8 minutes. STUDIOS=1000 ONLY=stripe. BREAKERS=off must fail
	@$(RELEASE) -p autopilot-postgres -p autopilot -p autopilot-tests --bin autopilot-postgres --bin autopilot --bin outage
	@env -u DATABASE_URL $(RELEASE_BIN)/autopilot-postgres run --ephemeral --state $(STATE) -- $(RELEASE_BIN)/outage --folder $(STATE)/outage --studios $(or $(STUDIOS),1000) --breakers $(or $(BREAKERS),on) $(if $(ONLY),--only $(ONLY))

fuzz: ## Input that nobody meant, for everything that reads what others wrote; 5 minutes. CASES=20000, PROPTEST_RNG_SEED=n replays a run
	@$(BUILD)
	@PROPTEST_CASES=$(or $(CASES),20000) $(PRIVATE_PG) -- $(CARGO) test -q -p autopilot-engine -p autopilot-workflows -p autopilot fuzz

# The compiled tests, some of which are trials too.
E2E = $$($(CARGO) test -q -p autopilot-tests --test e2e --no-run --message-format=json | sed -n 's/.*"executable":"\([^"]*e2e-[^"]*\)".*/\1/p' | tail -1)
UNITS = $$($(CARGO) test -q --workspace --lib --bins --no-run --message-format=json | sed -n 's/.*"test":true}.*"executable":"\([^"]*\/autopilot\(_engine\|_workflows\|\)-[0-9a-f]*\)".*/--unit \1/p')
chaos: ## Every fault, one after the other, and what must be seen where protection is taken away; 40 minutes. ONLY="T4 T6" SEED=n SIZE=0.2
	@$(BUILD)
	@e2e=$(E2E); AUTOPILOT_REDIS_BIN="$${AUTOPILOT_REDIS_BIN:-$$(.ci/redis $(STATE))}" $(PRIVATE_PG) -- $(BIN)/chaos --folder $(STATE)/chaos --e2e "$$e2e" $(UNITS) --size $(or $(SIZE),1) \
		$(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only "$(ONLY)",$(if $(SIZE),,--write $(CURDIR)/RELIABILITY.md))

mutants: ## The queue's statements broken one at a time, in the compiled tests; hours. ONLY="claim.sql finish.sql" MOST=20 SEED=n
	@$(BUILD)
	@$(BIN)/mutants --folder $(STATE)/mutants --e2e "$(E2E)" $(if $(ONLY),--only "$(ONLY)") $(if $(MOST),--most $(MOST)) $(if $(SEED),--seed $(SEED))

bench: ## Us, the peers and bare Postgres side by side; some hours. ROUNDS=3 ROWS="drain pickup" SYSTEMS="..." QUICK=1
	@$(RELEASE) -p autopilot-postgres -p autopilot-bench
	@$(BENCH_PG) -- $(RELEASE_BIN)/bench run --root $(CURDIR) --state $(STATE) --rounds $(or $(ROUNDS),3) \
		$(if $(ROWS),--rows "$(ROWS)") $(if $(SYSTEMS),--systems "$(SYSTEMS)") $(if $(QUICK),--quick)

scale: ## What grows with processes, queues, workspaces, waiting runs, due studios; 25 minutes. STUDIOS=10000 ONLY="queues" QUICK=1
	@$(RELEASE) -p autopilot-postgres -p autopilot -p autopilot-scale
	@$(SCALE_PG) -- $(RELEASE_BIN)/scale --folder $(STATE)/scale $(if $(ONLY),--only "$(ONLY)") \
		$(if $(JOBS),--jobs $(JOBS)) $(if $(RUNS),--runs $(RUNS)) $(if $(WAITING),--waiting $(WAITING)) \
		$(if $(STUDIOS),--studios $(STUDIOS)) $(if $(PACE),--pace $(PACE)) \
		$(if $(STRIPE_LIMIT),--stripe-limit $(STRIPE_LIMIT))

soak: ## 800 jobs a second for MINUTES=10 without and as long with a snapshot held: what grows, and that nothing is lost
	@$(RELEASE) -p autopilot-postgres -p autopilot-load
	@$(BENCH_PG) -- $(RELEASE_BIN)/autopilot-load soak --minutes $(or $(MINUTES),10)

bench-pure: ## What the engine does between two statements, without a database; a minute
	@$(CARGO) bench -q -p autopilot-engine --bench pure

lint: ## Formatting and clippy, warnings are errors
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy -q --workspace --all-targets -- -D warnings

fmt: ## Format everything
	@$(CARGO) fmt --all

sqlx: ## Describe the checked queries anew in .sqlx, after a change of a statement or a migration
	@$(CARGO) build -q -p autopilot-postgres
	@$(PRIVATE_PG) --database describe -- .ci/describe-queries .sqlx

sqlx-check: ## Whether .sqlx says what the statements and migrations say
	@$(CARGO) build -q -p autopilot-postgres
	@$(PRIVATE_PG) --database describe -- .ci/describe-queries $(STATE)/sqlx
	@diff -r .sqlx $(STATE)/sqlx && echo "the descriptions in .sqlx are current"

deny: ## Licences, bans and sources of the dependencies
	@$(CARGO) deny check

ci: test lint ## What .ci/run does
