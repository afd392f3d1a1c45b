# One image for the controller and the agents: `docker build --tag tagboat .` It has no database in it; TAGBOAT_DATABASE_URL names one.
FROM node:20-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run build && npm prune --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM node:20-bookworm-slim
ENV NODE_ENV=production TAGBOAT_DATA_DIRECTORY=/var/lib/tagboat TAGBOAT_LISTENERS_HTTP_HOST=0.0.0.0
WORKDIR /opt/tagboat
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
COPY --from=build /build/schemas schemas
COPY --from=build /build/migrations migrations
COPY --from=build /build/proto/agent proto/agent
COPY --from=build /build/examples examples
COPY --from=build /build/agents/install.sh agents/
RUN install -d -o node -g node -m 700 /var/lib/tagboat
USER node
WORKDIR /var/lib/tagboat
VOLUME /var/lib/tagboat
EXPOSE 8080 8443 8444
ENTRYPOINT ["node", "/opt/tagboat/dist/controller/cli/tagboat.js"]
CMD ["controller"]
