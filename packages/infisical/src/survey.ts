import type { Scope } from "./answers.ts";
import type { Deadline } from "./deadline.ts";
import { bodyOf } from "./exchange.ts";
import type { Exchange } from "./exchange.ts";
import { meaningOf } from "./outcome.ts";
import type { Outcome } from "./outcome.ts";
import type { InfisicalRoute } from "./rate-budget.ts";
import { rightTo } from "./rights.ts";
import type { InfisicalRight } from "./rights.ts";
import { countImportsIn, parseFolderTree, parseSurvey, parseSurveySummaries } from "./survey-answers.ts";
import type { ListedFolder, SurveyedSecret, SurveyedSummary } from "./survey-answers.ts";

/** Reads of whole folders, as the server has them. Undefined for a folder that the server says is missing. */
export interface Surveys {
  rows(deadline: Deadline, path: string): Promise<SurveyedSecret[] | undefined>;
  summaries(deadline: Deadline, path: string): Promise<SurveyedSummary[] | undefined>;
  /** What is directly in the folder, and everything below it where the server lists recursively. */
  folders(deadline: Deadline, path: string): Promise<ListedFolder[]>;
  imports(deadline: Deadline, path: string): Promise<number | undefined>;
}

export function createSurveys(exchange: Exchange, place: Omit<Scope, "path">): Surveys {
  const { projectId: workspaceId, environment } = place;

  const read = async (
    deadline: Deadline,
    {
      route,
      path,
      address,
      right,
    }: { route: InfisicalRoute; path: string; address: string; right?: InfisicalRight },
    query: Readonly<Record<string, string>>,
  ): Promise<{ body: unknown } | undefined> => {
    const search = new URLSearchParams({ workspaceId, environment, ...query }).toString();
    const outcome: Outcome = await exchange.request(
      // Its user spreads many calls over time, and has to know at once.
      { deadline, route, path, waitsOutLimits: false },
      { method: "GET", address: `${address}?${search}` },
    );
    if (outcome.kind === "refused" && meaningOf(outcome.refusal) === "MISSING_FOLDER") return undefined;
    return { body: bodyOf(outcome, right) };
  };

  const list = (deadline: Deadline, path: string, viewSecretValue: boolean) => {
    const right = (viewSecretValue ? rightTo.read : rightTo.list)(path);
    const how = { route: "GET secrets", path, address: "/api/v3/secrets/raw", right } as const;
    return read(deadline, how, {
      secretPath: path,
      viewSecretValue: String(viewSecretValue),
      // References stay text: the server would expand a company's `${prod.tenants.other.KEY}` with the service's rights.
      expandSecretReferences: "false",
      include_imports: "false",
      recursive: "false",
    });
  };

  return {
    async rows(deadline, path) {
      const answer = await list(deadline, path, true);
      return answer && parseSurvey(answer.body, { ...place, path });
    },
    async summaries(deadline, path) {
      const answer = await list(deadline, path, false);
      return answer && parseSurveySummaries(answer.body, { ...place, path });
    },
    async folders(deadline, path) {
      const how = { route: "GET folders", path, address: "/api/v1/folders" } as const;
      const answer = await read(deadline, how, { path, recursive: "true" });
      return answer === undefined ? [] : parseFolderTree(answer.body);
    },
    async imports(deadline, path) {
      const right = rightTo.listImports(path);
      const how = { route: "GET imports", path, address: "/api/v1/secret-imports", right } as const;
      const answer = await read(deadline, how, { path });
      return answer && countImportsIn(answer.body);
    },
  };
}
