import { pino, type DestinationStream } from "pino";

export const logLevels = ["fatal", "error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof logLevels)[number];

const allowed = [
  "requestId",
  "method",
  "route",
  "status",
  "durationMs",
  "company",
  "actor",
  "code",
  "diagnosis",
  "url",
  "batch",
  "events",
  "checkpoint",
  "timeline",
] as const;

type LogFields = Readonly<Partial<Record<(typeof allowed)[number], string | number | undefined>>>;

/** Drops all other fields at run time too, so that a spread error or request cannot reach a line. */
export type Log = (level: LogLevel, sentence: string, fields?: LogFields) => void;

/**
 * Writes a line of JSON for each event.
 *
 * @param destination default standard output, written synchronously
 */
export function createLog(level: LogLevel, destination?: DestinationStream): Log {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination ?? pino.destination({ fd: 1, sync: true }),
  );
  return (at, sentence, fields = {}) => {
    const kept: Record<string, string | number> = {};
    for (const name of allowed) {
      const value = fields[name];
      if (value !== undefined) kept[name] = value;
    }
    logger[at](kept, sentence);
  };
}
