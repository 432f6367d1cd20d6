# Ephyra as a container: docs/operations.md says how to run it.
# Ephyra runs on Node 20 and newer; the image has the one that is still maintained.
ARG NODE=24.21.0-bookworm-slim

FROM node:${NODE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json ./
COPY machines machines
COPY plugins plugins
COPY src src
# The emulators are for trying Ephyra out; what moves real nodes does without them.
RUN node_modules/.bin/tsc -p . && rm -rf dist/src/sandbox && npm prune --omit=dev --no-audit --no-fund

FROM node:${NODE}
# The hadoop plugin reaches admin hosts by ssh when it is told to.
RUN apt-get update \
  && apt-get install -y --no-install-recommends openssh-client \
  && rm -rf /var/lib/apt/lists/* \
  && install -d -o node -g node -m 0700 /var/lib/ephyra
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY LICENSE ./
ENV NODE_ENV=production \
  EPHYRA_CONFIG=/etc/ephyra/ephyra.yml \
  EPHYRA_HEALTH=http://127.0.0.1:8080/healthz
USER node
# Owners, approvals and locks: it has to outlive the container. `store: /var/lib/ephyra/ephyra.json`
VOLUME /var/lib/ephyra
EXPOSE 8080
# Of http.port in ephyra.yml; set EPHYRA_HEALTH when it is another.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(process.env.EPHYRA_HEALTH).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/src/main.js"]
