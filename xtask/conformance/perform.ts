// Performs every operation of the document through a client whose types were made from the document.
//
// The compiler refuses this file when an operation has no performer here, when a performer asks for what the document does
// not know, or when it reads what the document does not promise. What comes back must be the operation's success.

import { readFileSync } from "node:fs";
import createClient, { type Middleware } from "openapi-fetch";
import type { operations, paths } from "./schema.js";

/** What `cargo xtask conformance` has set up. */
interface Seed {
  url: string;
  staff: string;
  customer: string;
  account: string;
  invoice: string;
  voidInvoice: string;
  voidable: string;
  message: string;
  quarantined: [number, number];
  usageFrom: string;
  usageTo: string;
}

type OperationId = keyof operations;
type Performer = () => Promise<{ response: Response; data?: unknown; error?: unknown }>;

const [seedFile] = process.argv.slice(2);
if (seedFile === undefined) throw new Error("usage: perform.js SEED");
const seed: Seed = JSON.parse(readFileSync(seedFile, "utf8")) as Seed;
const DAY = 86_400_000;
const day = (offset: number): string => new Date(Date.now() + offset * DAY).toISOString().slice(0, 10);

/** Which operations were asked for, as the document names them. */
const asked = new Set<string>();
const watch: Middleware = {
  onRequest({ request, schemaPath }) {
    asked.add(`${request.method} ${schemaPath}`);
  },
};
const client = (token: string) => {
  const made = createClient<paths>({ baseUrl: seed.url, headers: { Authorization: `Bearer ${token}` } });
  made.use(watch);
  return made;
};
const staff = client(seed.staff);
const customer = client(seed.customer);

const known = <T>(value: T | undefined, what: string): T => {
  if (value === undefined) throw new Error(`${what} was not answered`);
  return value;
};
/** CSV goes out as it is. */
const asIs = { bodySerializer: (text: string) => text, headers: { "Content-Type": "text/csv" } };

const price = {
  accountTier: "CONFORMANCE",
  operatorId: "41220",
  direction: "MT",
  pricingModel: "PER_SEGMENT",
  unitPrice: "0.0125",
  currency: "USD",
} as const;
const cost = { operatorId: "conformance", direction: "MT", costPerSegment: "0.0085", currency: "USD" } as const;
let prices = 0;
/** A price of its own for each operation that needs one, from that many days ahead on. */
const newPrice = async (from: number): Promise<string> => {
  prices += 1;
  const body = { ...price, accountTier: `CONFORMANCE-${prices}`, effectiveFrom: day(from) };
  const made = await staff.POST("/v1/admin/pricing", { body });
  return known(made.data?.pricingTableId, "a price");
};
const newCost = async (operator: string): Promise<string> => {
  const body = { ...cost, operatorId: operator, effectiveFrom: day(1) };
  const made = await staff.POST("/v1/admin/operator-costs", { body });
  return known(made.data?.operatorCostId, "a cost");
};
const id = (value: string) => ({ params: { path: { id: value } } });

const performers: { [Id in OperationId]: Performer } = {
  isLive: () => staff.GET("/health/live"),
  isReady: () => staff.GET("/health/ready"),
  getOpenApi: () => staff.GET("/openapi.json"),
  getDocs: () => staff.GET("/docs", { parseAs: "text" }),
  getProblem: () => staff.GET("/problems/{id}", { params: { path: { id: "invalid" } }, parseAs: "text" }),

  getUsage: () =>
    customer.GET("/v1/billing/usage", {
      params: { query: { from: seed.usageFrom, to: seed.usageTo, granularity: "day" } },
    }),
  listInvoices: () => customer.GET("/v1/billing/invoices", { params: { query: { limit: 5 } } }),
  getInvoice: () => customer.GET("/v1/billing/invoices/{id}", id(seed.invoice)),
  downloadInvoice: async () => {
    const place = await customer.GET("/v1/billing/invoices/{id}/download", id(seed.invoice));
    if (typeof place.data !== "object") throw new Error("no address was answered");
    known(place.data.url, "an address");
    const credit = await customer.GET("/v1/billing/invoices/{id}/download", {
      params: { path: { id: seed.voidInvoice }, query: { document: "credit-note" } },
      headers: { Accept: "application/pdf" },
      parseAs: "arrayBuffer",
    });
    const bytes = new Uint8Array(known(credit.data, "a credit note") as ArrayBuffer);
    if (new TextDecoder().decode(bytes.slice(0, 5)) !== "%PDF-") throw new Error("a credit note is no PDF");
    return credit;
  },
  proveInvoice: () => customer.GET("/v1/billing/invoices/{id}/proof", id(seed.invoice)),
  exportInvoiceUsage: () =>
    customer.GET("/v1/billing/invoices/{id}/usage.csv", { ...id(seed.invoice), parseAs: "text" }),
  voidInvoice: () =>
    staff.POST("/v1/admin/invoices/{id}/void", {
      params: { path: { id: seed.voidable }, header: { "Idempotency-Key": crypto.randomUUID() } },
      body: { reason: "Conformance: declared void by a generated client.", disposition: "waive" },
    }),

  listPrices: () => staff.GET("/v1/admin/pricing", { params: { query: { activeOnly: false, limit: 50 } } }),
  createPrice: () =>
    staff.POST("/v1/admin/pricing", {
      params: { header: { "Idempotency-Key": crypto.randomUUID() } },
      body: { ...price, effectiveFrom: day(1) },
    }),
  getPrice: async () => staff.GET("/v1/admin/pricing/{id}", id(await newPrice(2))),
  changePrice: async () =>
    staff.PATCH("/v1/admin/pricing/{id}", {
      ...id(await newPrice(2)),
      body: { unitPrice: "0.013", effectiveFrom: day(30) },
    }),
  endPrice: async () => staff.DELETE("/v1/admin/pricing/{id}", id(await newPrice(2))),
  explainPrice: () => staff.GET("/v1/admin/pricing/explain", { params: { query: { messageId: seed.message } } }),
  resolvePrice: () =>
    staff.GET("/v1/admin/pricing/resolve", {
      params: { query: { accountTier: "STARTER", operatorId: "41220", direction: "MT", currency: "USD" } },
    }),
  listUnrated: () => staff.GET("/v1/admin/pricing/unrated"),
  listCorrections: () => staff.GET("/v1/admin/pricing/corrections"),
  correctPrice: async () =>
    staff.POST("/v1/admin/pricing/corrections", {
      body: {
        pricingTableId: await newPrice(-5),
        unitPrice: "0.011",
        effectiveFrom: day(-5),
        effectiveTo: day(-3),
        reason: "Conformance: corrected by a generated client.",
      },
    }),

  listQuarantinedMessages: () => staff.GET("/v1/admin/pricing/quarantine"),
  getQuarantinedMessage: () =>
    staff.GET("/v1/admin/pricing/quarantine/{id}", { params: { path: { id: seed.quarantined[0] } } }),
  discardQuarantinedMessage: () =>
    staff.POST("/v1/admin/pricing/quarantine/{id}/discard", {
      params: { path: { id: seed.quarantined[0] } },
      body: { reason: "Conformance: discarded by a generated client." },
    }),
  replayQuarantinedMessage: () =>
    staff.POST("/v1/admin/pricing/quarantine/{id}/replay", {
      params: { path: { id: seed.quarantined[1] } },
      body: {},
    }),

  listAccounts: () => staff.GET("/v1/admin/pricing/accounts"),
  getAccount: () => staff.GET("/v1/admin/pricing/accounts/{id}", id(seed.account)),
  changeAccount: () =>
    staff.PATCH("/v1/admin/pricing/accounts/{id}", {
      ...id(crypto.randomUUID()),
      body: { tenantId: crypto.randomUUID(), accountTier: "STARTER", currency: "USD", effectiveFrom: day(0) },
    }),

  exportPrices: () => staff.GET("/v1/admin/pricing/export", { parseAs: "text" }),
  importPrices: async () => {
    const deck = await staff.GET("/v1/admin/pricing/export", { parseAs: "text" });
    return staff.POST("/v1/admin/pricing/import", {
      ...asIs,
      params: { query: { dryRun: true } },
      body: known(deck.data, "a deck"),
    });
  },
  listOperatorCosts: () => staff.GET("/v1/admin/operator-costs"),
  createOperatorCost: () =>
    staff.POST("/v1/admin/operator-costs", { body: { ...cost, effectiveFrom: day(1) } }),
  getOperatorCost: async () => staff.GET("/v1/admin/operator-costs/{id}", id(await newCost("conformance-get"))),
  changeOperatorCost: async () =>
    staff.PATCH("/v1/admin/operator-costs/{id}", {
      ...id(await newCost("conformance-change")),
      body: { costPerSegment: "0.009", effectiveFrom: day(30) },
    }),
  endOperatorCost: async () => staff.DELETE("/v1/admin/operator-costs/{id}", id(await newCost("conformance-end"))),
  exportOperatorCosts: () => staff.GET("/v1/admin/operator-costs/export", { parseAs: "text" }),
  importOperatorCosts: async () => {
    const deck = await staff.GET("/v1/admin/operator-costs/export", { parseAs: "text" });
    return staff.POST("/v1/admin/operator-costs/import", {
      ...asIs,
      params: { query: { dryRun: true } },
      body: known(deck.data, "a deck"),
    });
  },
  listMargins: () =>
    staff.GET("/v1/admin/operator-costs/margin", {
      params: { query: { from: seed.usageFrom, to: seed.usageTo, groupBy: "account" } },
    }),
};

/** The document's own list, so that what is performed is what is served. */
const document = (await (await fetch(`${seed.url}/openapi.json`)).json()) as {
  paths: Record<string, Record<string, { operationId: string; responses: Record<string, unknown> }>>;
};
const faults: string[] = [];
let performed = 0;
for (const [path, item] of Object.entries(document.paths)) {
  for (const [method, operation] of Object.entries(item)) {
    const name = `${method.toUpperCase()} ${path}`;
    const perform = performers[operation.operationId as OperationId];
    if (perform === undefined) {
      faults.push(`${name}: the client does not know ${operation.operationId}`);
      continue;
    }
    try {
      asked.delete(name);
      const { response, error } = await perform();
      performed += 1;
      const isDocumented = String(response.status) in operation.responses;
      if (!asked.has(name)) faults.push(`${name}: ${operation.operationId} asked for something else`);
      if (!response.ok || !isDocumented) faults.push(`${name}: ${response.status} ${JSON.stringify(error)}`);
    } catch (fault) {
      faults.push(`${name}: ${String(fault)}`);
    }
  }
}
for (const fault of faults) console.error(fault);
console.log(`${performed} operations performed by a client generated from the document, ${faults.length} faults`);
process.exitCode = faults.length === 0 && performed === Object.keys(performers).length ? 0 : 1;
